import type { Credentials } from '@eventstore/db-client'
import { Unacceptable } from '../../lib/errors.ts'

/** The schemes mean the same; `+discover` finds the members of a cluster by the name. */
const form = /^(?:esdb|kurrentdb|kdb)(\+discover)?:\/\/(?:([^/?#]*)@)?([^@/?#]+)\/?(?:\?(.*))?$/is
const beginning = /^(?:esdb|kurrentdb|kdb)(?:\+discover)?:\/\//i

/** Whether a text means a server, and not a path or anything else. */
export const isConnectionString = (text: string): boolean => beginning.test(text.trim())

/** What the adapter itself must know of a connection string; everything else is the client's. */
export interface ConnectionString {
  /** The same, with the scheme that the client knows. Holds the password. */
  readonly url: string
  readonly hosts: string
  readonly tls: boolean
  /** Undefined where the string names none. */
  readonly credentials: Credentials | undefined
  /** Whom the server takes us for, for messages. */
  readonly caller: string | undefined
}

const options = new Set(
  [
    'userCertFile',
    'userKeyFile',
    'maxDiscoverAttempts',
    'connectionName',
    'defaultDeadline',
    'discoveryInterval',
    'gossipTimeout',
    'nodePreference',
    'tls',
    'tlsCAFile',
    'keepAliveInterval',
    'keepAliveTimeout',
  ].map(flat),
)

/** The client takes every spelling of an option: tlsCaFile, tls_ca_file, tls-ca-file. */
function flat(name: string): string {
  return name.trim().toLowerCase().replace(/[_-]/g, '')
}

/**
 * Looks through a connection string before the client does, because the client prints a string that it does not like, with its
 * password. Throws `Unacceptable`, which names the fault and never the string.
 */
export const parseConnectionString = (url: string): ConnectionString => {
  const [, discover = '', userinfo, hosts, query = ''] = form.exec(url.trim()) ?? []
  if (hosts === undefined)
    throw new Unacceptable(
      'the connection string of EventStoreDB is not of the form esdb://user:password@host:port,host:port?tls=true (kurrentdb:// and kdb:// mean the same); ' +
        'special characters of user and password are written as %XX',
    )
  const given = new Map<string, string>()
  for (const pair of query.split('&').filter((text) => text !== '')) {
    const [name = '', ...rest] = pair.split('=')
    const value = rest.join('=')
    const option = flat(name)
    if (option === 'tlsverifycert' && value === 'true') continue
    if (option === 'tlsverifycert')
      throw new Unacceptable(
        'the client of EventStoreDB always verifies certificates: give tlsCAFile instead of tlsVerifyCert=false',
      )
    if (!options.has(option) || value === '')
      throw new Unacceptable(`the connection string of EventStoreDB has an option "${name}" that is not known or has no value`)
    given.set(option, value)
  }
  const credentials = credentialsOf(userinfo)
  return {
    url: url.trim().replace(beginning, `esdb${discover.toLowerCase()}://`),
    hosts,
    tls: given.get('tls') !== 'false',
    credentials,
    caller:
      credentials === undefined
        ? given.has('usercertfile')
          ? 'the user of the certificate'
          : undefined
        : `the user "${credentials.username}"`,
  }
}

const credentialsOf = (text: string | undefined): Credentials | undefined => {
  if (text === undefined) return undefined
  const [username = '', password = '', ...rest] = text.split(':')
  try {
    if (username !== '' && password !== '' && rest.length === 0)
      return { username: decodeURIComponent(username), password: decodeURIComponent(password) }
  } catch {
    // Told below: what decodeURIComponent says holds the text.
  }
  throw new Unacceptable('the connection string of EventStoreDB needs user:password before the @, with special characters as %XX')
}
