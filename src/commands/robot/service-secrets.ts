import { createHmac, timingSafeEqual } from 'node:crypto'
import { SecretForgotten } from '../../lib/errors.ts'
import { isObject } from '../../lib/json.ts'
import type { Secrets } from '../../stores/secrets.ts'

/** What a caller's tokens open. */
export interface OpenedTokens {
  /** The token of the operator is among them. */
  readonly isGod: boolean
  /** Services whose secret is among them. */
  readonly guids: ReadonlySet<string>
}

/** JSON Web Tokens (HS256) that open services, for clients of later generations. Source: robot contract, section 8. */
export interface ServiceSecrets {
  /** The secret of a service: always the same one. */
  secretOf(guid: string): Promise<string>
  /** What the operator hands to those who may see the data and the logs of services. */
  godToken(): Promise<string>
  /** Tokens that are none of these are passed over. */
  open(tokens: readonly string[]): Promise<OpenedTokens>
}

/** Whose key signs them. To forget the key of this subject makes every token worthless, and new ones are made. */
export const signingSubject = 'robotSecrets'
const purpose = 'signing key of JSON Web Tokens'
const godClaims = { authentication: 'god_token' }
const header = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')

/**
 * The signing key derives from a key of the log, which the master key wraps: every node of the log has the same one, also after a
 * restart. It is read anew each time, so that a forgotten key opens nothing.
 */
export const createServiceSecrets = (secrets: Pick<Secrets, 'seal' | 'digest'>): ServiceSecrets => {
  const signingKey = async (): Promise<string> => {
    try {
      return await secrets.digest(signingSubject, purpose)
    } catch (error) {
      if (!(error instanceof SecretForgotten)) throw error
      // What seals makes the key where there is none.
      await secrets.seal(signingSubject, purpose)
      return secrets.digest(signingSubject, purpose)
    }
  }
  return {
    secretOf: async (guid) => signed({ service_guid: guid }, await signingKey()),
    godToken: async () => signed(godClaims, await signingKey()),
    open: async (tokens) => {
      const claimed = tokens.flatMap((token) => {
        const claims = claimsOf(token)
        return claims === undefined ? [] : [{ token, claims }]
      })
      if (claimed.length === 0) return { isGod: false, guids: new Set() }
      const key = await signingKey()
      // A token is what would be signed for its claims, to the byte: no other algorithm, no other member can come in.
      const own = claimed.filter(({ token, claims }) => isSame(token, signed(claims, key)))
      return {
        isGod: own.some(({ claims }) => 'authentication' in claims),
        guids: new Set(own.flatMap(({ claims }) => ('service_guid' in claims ? [claims.service_guid] : []))),
      }
    },
  }
}

type Claims = typeof godClaims | { readonly service_guid: string }

const signed = (claims: Claims, key: string): string => {
  const content = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
  return `${content}.${createHmac('sha256', key).update(content).digest('base64url')}`
}

/** What a token claims, unverified; undefined for what is none of these tokens. */
const claimsOf = (token: string): Claims | undefined => {
  const [, payload, , more] = token.split('.')
  if (payload === undefined || more !== undefined) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    if (!isObject(claims)) return undefined
    if (typeof claims.service_guid === 'string') return { service_guid: claims.service_guid }
    return claims.authentication === godClaims.authentication ? godClaims : undefined
  } catch {
    return undefined
  }
}

const isSame = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
