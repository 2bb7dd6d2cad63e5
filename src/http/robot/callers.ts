import type { OpenedTokens, ServiceSecrets } from '../../commands/robot/service-secrets.ts'
import type { RobotFaceSettings } from '../../commands/robot/settings.ts'
import { sha256 } from '../../lib/ids.ts'
import { allows, type Credentials, type Principal } from '../../stores/credentials/credentials.ts'
import { headerOf } from '../faces/arrival.ts'
import type { Access } from '../faces/face.ts'
import type { HttpContext } from '../faces/http-context.ts'

/** What whoever sent a request may see and use. */
export interface Caller {
  /** Sent the god token, and god mode is on: sees data and logs of services. */
  readonly isGod: boolean
  /** Sent credentials of the server. */
  readonly isTrusted: boolean
  /** Sent the secret of any service. */
  readonly hasSecret: boolean
  mayUse(service: { readonly guid: string; readonly public: boolean }): boolean
}

/** Whoever comes by the paths of the seed: the server's credentials have been asked already, and say it all. */
export const seedCaller: Caller = { isGod: false, isTrusted: true, hasSecret: false, mayUse: () => true }

/** Who asks, under the paths of later clients. Source: robot contract, section 8. */
export interface Callers {
  /**
   * For `Face.authenticate`: the credentials of the server, in whatever header they stand, else a guest whose tokens count for single services.
   * Undefined where the server's own look is enough.
   */
  authenticate(c: HttpContext, access: Access): Promise<Principal | undefined>
  of(c: HttpContext): Promise<Caller>
}

const headers = ['zrobotsecret', 'zrobotadmin', 'zrobotuser'] as const
/** What guests may do is judged by their tokens, route by route. */
const guestScopes = ['robot:read', 'robot:write']
/** Of what was sent, so much is compared with the credentials of the server: clients send two or three. */
const mostTried = 8
/** No credential of the server has a colon in its name. */
const guestName = 'zrobot:'

export const createCallers = ({
  credentials,
  secrets,
  settings,
}: {
  readonly credentials: Credentials
  readonly secrets: ServiceSecrets
  readonly settings: Pick<RobotFaceSettings, 'godMode'>
}): Callers => {
  /** Asked by the check of credentials and by the route. */
  const known = new WeakMap<HttpContext, Promise<OpenedTokens>>()
  const opened = (c: HttpContext): Promise<OpenedTokens> => {
    const before = known.get(c)
    if (before !== undefined) return before
    const found = secrets.open(tokensOf(c))
    known.set(c, found)
    return found
  }

  const credentialOf = async (c: HttpContext): Promise<Principal | undefined> => {
    if (!credentials.configured()) return undefined
    const { authorization } = c.headers
    // Tokens of the server have no dot, and JSON Web Tokens have two.
    const sent = [
      ...(authorization === undefined ? [] : [authorization]),
      ...tokensOf(c).flatMap((token) => (token.includes('.') ? [] : [`Bearer ${token}`])),
    ]
    for (const one of [...new Set(sent)].slice(0, mostTried)) {
      const principal = await credentials.authenticate(one)
      if (principal !== null) return principal
    }
    return undefined
  }

  return {
    authenticate: async (c, access) => {
      const credential = await credentialOf(c)
      if (credential !== undefined && allows(credential, `robot:${access}`)) return credential
      const { isGod, guids } = await opened(c)
      const hasTokens = isGod || guids.size > 0
      if (credential !== undefined && !hasTokens) return credential
      const text = headers.map((name) => headerOf(c, name) ?? '').join('\n')
      // Who sent nothing may still have a certificate, and is nobody in particular without credentials.
      if (text.trim() === '' && (!credentials.configured() || c.clientCertificate?.verified === true)) return undefined
      // Answers that are kept for repetition must not be given to others.
      return { name: `${guestName}${sha256(text).slice(0, 16)}`, scopes: guestScopes }
    },
    of: async (c) => {
      const { isGod: hasGodToken, guids } = await opened(c)
      const isGod = hasGodToken && settings.godMode
      const isTrusted = credentials.configured() && c.authenticated && !c.principal.name.startsWith(guestName)
      return {
        isGod,
        isTrusted,
        hasSecret: guids.size > 0,
        mayUse: ({ guid, public: isPublic }) => isPublic || isGod || isTrusted || guids.has(guid),
      }
    },
  }
}

/** `Bearer <t1> <t2> …`, of each header. */
const tokensOf = (c: HttpContext): readonly string[] =>
  headers.flatMap((name) => {
    const [, list = ''] = /^bearer[ \t]+(.*)$/i.exec(headerOf(c, name) ?? '') ?? []
    return list.split(/[\s,]+/).filter((token) => token !== '')
  })
