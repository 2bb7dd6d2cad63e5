import { z } from 'zod'
import { type Environment, httpUrl, InvalidVariables, list, settingsFrom, variablesOf } from '../../lib/environment.ts'
import { parseUsers } from './users.ts'

interface Choice {
  /** One of these variables must be set. */
  readonly needs: readonly string[]
  /** Those that choose it where `CLUSTERS_AUTH` is not set. Default: the same. */
  readonly impliedBy?: readonly string[]
}

/** Source: clusters contract, section 1, "Authentication". */
const choices = {
  httpbasicauth: { needs: ['CLUSTERS_USERS_FILE', 'CLUSTERS_USERS'] },
  openshiftbearertokenauth: { needs: ['CLUSTERS_BEARER_URL'] },
  keystonepassword: { needs: ['CLUSTERS_KEYSTONE_URL'] },
  keystonetoken: { needs: ['CLUSTERS_KEYSTONE_URL'] },
  httpauthclientcert: { needs: ['TLS_CLIENT_CA_FILE'], impliedBy: ['CLUSTERS_CLIENT_CN'] },
} as const satisfies Record<string, Choice>
export type AuthenticatorName = keyof typeof choices

const names = Object.keys(choices) as readonly AuthenticatorName[]
const shortNames: Readonly<Record<string, AuthenticatorName>> = { bearer: 'openshiftbearertokenauth' }
const nameOf = (entry: string): AuthenticatorName | undefined => shortNames[entry] ?? names.find((name) => name === entry)

const usersText = z.string().transform((text, context) => {
  try {
    return parseUsers(text)
  } catch {
    context.addIssue({ code: 'custom', message: 'is not JSON of users with bcrypt hashes: {"USER": {"hash": "$2b$…"}}' })
    return z.NEVER
  }
})

const Settings = z.object({
  /** Authenticators in the order in which they are asked. Default: those that have settings. */
  auth: list((entry) => nameOf(entry) !== undefined, `is not one of ${names.join(', ')}`),
  /** Paths of requests that need no authentication. */
  selfAuths: list((entry) => entry.startsWith('/'), 'is not a path'),
  /** JSON file of users with bcrypt hashes. */
  usersFile: z.string().optional(),
  /** The same JSON in the setting itself. */
  users: usersText.optional(),
  /** Is asked with the header of each request that has a bearer token, and answers 200 where it is right. */
  bearerUrl: httpUrl.optional(),
  /** Where Keystone makes tokens. */
  keystoneUrl: httpUrl.optional(),
  keystoneDomain: z.string().default('Default'),
  /** The CN that client certificates must have. Default: any. */
  clientCn: z.string().optional(),
})

export type AuthenticationSettings = Omit<z.infer<typeof Settings>, 'auth'> & {
  readonly authenticators: readonly AuthenticatorName[]
}

/** Throws an `Error` whose message has one line per variable that cannot be honoured. */
export const authenticationSettings = (environment: Environment): AuthenticationSettings => {
  const { auth, ...settings } = settingsFrom('CLUSTERS', Settings, environment)
  const isOneSet = (variables: readonly string[]): boolean => variables.some((variable) => (environment[variable] ?? '') !== '')
  const chosen = new Set(auth.flatMap((entry) => nameOf(entry) ?? []))
  const implied = names.filter((name) => isOneSet((choices[name] as Choice).impliedBy ?? choices[name].needs))
  const authenticators = chosen.size > 0 ? [...chosen] : implied
  const lacking = authenticators.filter((name) => !isOneSet(choices[name].needs))
  if (lacking.length === 0) return { ...settings, authenticators }
  const lines = lacking.map((name) => `CLUSTERS_AUTH: ${name} needs ${choices[name].needs.join(' or ')}`)
  throw new InvalidVariables(lines.join('\n'))
}

export const authenticationVariables = variablesOf('CLUSTERS', Settings)
