import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { z } from 'zod'
import { yesOrNo } from '../../../lib/environment.ts'
import { messageOf } from '../../../lib/errors.ts'
import type { TlsOptions } from '../../outbound/outbound.ts'
import { ManagerRefused } from './container-manager.ts'

const text = z.string().nullish()

/** The options of a configuration, which are not looked at before they are used. Source: clusters contract, section 2. */
const ManagerOptions = z.object({
  /** URL of the server, of which the origin counts. */
  apiserver: text,
  /** The same by another name. */
  server_url: text,
  token: text,
  /** PEM files on this machine: both or none, and over TLS alone. */
  certificate_path: text,
  certificate_key_path: text,
  /** PEM file of the authorities that are trusted instead of the usual ones. */
  ca_path: text,
  /** Whether the certificate of the server is checked. Default: where `ca_path` is given. */
  verify: yesOrNo.nullish(),
})

/** How a server of the Kubernetes API is reached. */
export interface ManagerServer {
  /** `https://10.0.0.1:8443/api/v1` */
  readonly base: string
  readonly token: string | undefined
  readonly tls: TlsOptions
}

/** Visible ASCII: what a header can carry. */
const sendable = /^[\x21-\x7e]+$/
const largestFileBytes = 1_048_576

/** Throws `ManagerRefused` where options cannot be used; its message names the member. */
export const managerServer = async (options: unknown): Promise<ManagerServer> => {
  const parsed = ManagerOptions.safeParse(options)
  if (!parsed.success)
    throw new ManagerRefused(`the option ${parsed.error.issues[0]?.path.join('.')} of the container manager cannot be used`)
  const { token, certificate_path: certificate, certificate_key_path: key, ca_path: authorities, verify } = parsed.data
  const { protocol, origin } = urlOf(parsed.data.apiserver || parsed.data.server_url)
  if (token && !sendable.test(token)) throw new ManagerRefused('the token of the container manager cannot stand in a header')
  if (!certificate !== !key)
    throw new ManagerRefused('certificate_path and certificate_key_path of a container manager go together')
  if (certificate && protocol !== 'https:') throw new ManagerRefused('a client certificate needs an https URL')
  return {
    base: `${origin}/api/v1`,
    token: token || undefined,
    tls: {
      verify: verify ?? Boolean(authorities),
      cert: await fileText('certificate_path', certificate),
      key: await fileText('certificate_key_path', key),
      ca: await fileText('ca_path', authorities),
    },
  }
}

const urlOf = (given: string | null | undefined): URL => {
  if (!given) throw new ManagerRefused('the container manager has no URL: its option apiserver is missing')
  const url = URL.parse(given)
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw new ManagerRefused('the option apiserver of the container manager is not an http or https URL')
  return url
}

/** Read each time: certificates are renewed. A pipe that nobody writes to does not hold it up. */
const fileText = async (option: string, path: string | null | undefined): Promise<string | undefined> => {
  if (!path) return undefined
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stat = await file.stat()
      if (!stat.isFile() || stat.size > largestFileBytes) throw new Error('it is not a PEM file')
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new ManagerRefused(`the file that ${option} names cannot be read: ${messageOf(error)}`)
  }
}
