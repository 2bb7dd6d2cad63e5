import { z } from 'zod'
import { type Environment, settingsFrom, variablesOf, whole, yesOrNo } from '../../lib/environment.ts'
import { type ProxyFor, proxiesOf } from '../../lib/proxy-settings.ts'

const words = z
  .string()
  .default('')
  .transform((text) => text.split(/[\s,]+/).filter((word) => word !== ''))

const url = z.url({ protocol: /^https?$/, error: 'is not an http or https address' })

/** How clients are known. Source: clusters contract, section 1, "Authentication". */
export const authenticators = [
  'httpbasicauth',
  'openshiftbearertokenauth',
  'keystonepassword',
  'keystonetoken',
  'httpauthclientcert',
] as const
export type Authenticator = (typeof authenticators)[number]

/** Every setting of the clusters face. */
export const ClustersSettings = z.object({
  /** Who is asked who a client is, in this order. */
  auth: words.pipe(z.array(z.enum(authenticators, `names none of ${authenticators.join(', ')}`))),
  /** Paths that need no credentials. */
  selfAuths: words,
  /** JSON of users with their bcrypt hashes. */
  usersFile: z.string().optional(),
  /** Asked whether a bearer token is good. */
  bearerUrl: url.optional(),
  /** Where Keystone gives tokens: `https://…/v3/auth/tokens`. */
  keystoneUrl: url.optional(),
  keystoneDomain: z.string().default('Default'),
  /** The commonName that client certificates must have; without one any will do. */
  clientCn: z.string().optional(),
  /** Hosts that are investigated, changed or checked at a time in one process. */
  concurrency: whole(1, 1_000).default(32),
  /** Whether a host whose key has changed is trusted again. */
  acceptChangedHostKeys: yesOrNo.default(false),
  /** More algorithms of SSH, for old hosts: `ssh-rsa`, `diffie-hellman-group14-sha1`. */
  sshAlgorithms: words,
  /** JSON with commands for operating systems, beside or in place of the built-in ones. */
  osFile: z.string().optional(),
  /** etcd of networks that name none. */
  etcdUrl: url.default('http://127.0.0.1:2379'),
  /** Files that hosts are given for etcd: a client certificate with its key, and the CA. */
  etcdCertFile: z.string().optional(),
  etcdKeyFile: z.string().optional(),
  etcdCaFile: z.string().optional(),
  /** Where hosts get images from, `host:port`. */
  registryMirror: z
    .string()
    .regex(/^[\w.-]+:\d{1,5}$|^\[[\da-fA-F:]+\]:\d{1,5}$/, 'is not host:port')
    .default('127.0.0.1:8080'),
  /** Whether hosts are looked at once a minute. */
  watch: yesOrNo.default(true),
  /** Whether container managers and hosts may be at private and loopback addresses. */
  allowPrivate: yesOrNo.default(true),
})

export type ClustersSettings = z.infer<typeof ClustersSettings> & {
  /** From CLUSTERS_PROXY and the variables that name proxies everywhere; for container managers and Keystone. */
  readonly proxyFor: ProxyFor
}

/**
 * The settings of an environment (`CLUSTERS_WATCH=false`), defaults where a variable is missing. Throws an `Error` whose message has one
 * line per variable that cannot be honoured.
 */
export const clustersSettings = (environment: Environment): ClustersSettings => ({
  ...settingsFrom('CLUSTERS', ClustersSettings, environment),
  proxyFor: proxiesOf(environment, 'CLUSTERS_PROXY'),
})

/** The defaults alone, for tests. */
export const defaultClustersSettings: ClustersSettings = clustersSettings({})

export const clustersVariables = [...variablesOf('CLUSTERS', ClustersSettings), 'CLUSTERS_PROXY']
