import type { AuthenticationSettings, AuthenticatorName } from '../../../commands/clusters/authentication-settings.ts'
import { parseUsers, type Users } from '../../../commands/clusters/users.ts'
import type { Principal } from '../../../stores/credentials/credentials.ts'
import { openSettingsFiles, type SettingsFiles } from '../../../stores/files/settings-files.ts'
import { decodedParam } from '../../faces/arrival.ts'
import type { Face } from '../../faces/face.ts'
import type { HttpPorts } from '../../faces/http-ports.ts'
import { createAnonymousAccess } from '../../server/anonymous-access.ts'
import type { Authenticator } from './authenticator.ts'
import { bearerAuthenticator } from './bearer.ts'
import { clientCertificateAuthenticator } from './client-certificate.ts'
import { keystonePasswordAuthenticator, keystoneTokenAuthenticator } from './keystone.ts'
import { createRemote, type Outbound } from './remote.ts'
import { usersAuthenticator } from './users.ts'

/** Whoever passes may do everything on this face. */
const scopes = ['clusters:read', 'clusters:write']

export interface Authentication {
  readonly authenticate: NonNullable<Face['authenticate']>
  /** For `/readyz`, where there is a file of users: rejects while that cannot be used as it stands now. */
  readonly checks: Readonly<Record<string, () => Promise<void>>>
}

/**
 * The authenticators of the settings, asked in their order; the first that knows the sender decides. The server's own credentials come last.
 * Throws `Unacceptable` where the file of users cannot be used. Source: clusters contract, section 1, "Authentication".
 */
export const createAuthentication = ({
  ports: { credentials, clock, logger, settings: server },
  settings,
  outbound,
}: {
  readonly ports: Pick<HttpPorts, 'credentials' | 'clock' | 'logger' | 'settings'>
  readonly settings: AuthenticationSettings
  readonly outbound: Outbound
}): Authentication => {
  const remote = createRemote({ outbound, logger })
  const file = usersFile(settings)
  const users: Users = settings.users ?? new Map()
  const url = settings.keystoneUrl ?? ''
  const { isForeign } = createAnonymousAccess(server)
  const makers: Readonly<Record<AuthenticatorName, () => Authenticator>> = {
    httpbasicauth: () => usersAuthenticator(() => (file === undefined ? [users] : [file.current(), users])),
    openshiftbearertokenauth: () => bearerAuthenticator(remote, settings.bearerUrl ?? ''),
    keystonepassword: () => keystonePasswordAuthenticator(remote, { url, domain: settings.keystoneDomain }),
    keystonetoken: () => keystoneTokenAuthenticator(remote, url),
    httpauthclientcert: () => clientCertificateAuthenticator({ cn: settings.clientCn, isForeign }),
  }
  const authenticators = settings.authenticators.map((name) => ({ name, knows: makers[name]() }))
  const selfAuths = new Set(settings.selfAuths)

  const principal = (authenticator: string, who: string): Principal => ({ name: `${authenticator}:${who}`, scopes })

  return {
    authenticate: async (c) => {
      if (selfAuths.has(decodedParam(c.encodedPath))) return principal('self-auths', 'anonymous')
      for (const { name, knows } of authenticators) {
        const who = await knows(c)
        if (who !== undefined) return principal(name, who)
      }
      return authenticators.length > 0 && !credentials.configured() ? 'refused' : undefined
    },
    checks: file === undefined ? {} : { 'clusters-users': () => usable(file) },
  }

  async function usable(users: SettingsFiles<Users>): Promise<void> {
    const fault = users.fault()
    if (fault !== undefined) throw new Error(fault)
  }

  function usersFile({ authenticators, usersFile }: AuthenticationSettings): SettingsFiles<Users> | undefined {
    if (usersFile === undefined || !authenticators.includes('httpbasicauth')) return undefined
    const files = [{ setting: 'CLUSTERS_USERS_FILE', file: usersFile }]
    return openSettingsFiles({ files, read: ([text = '']) => parseUsers(text), clock, logger })
  }
}
