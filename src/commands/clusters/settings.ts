import { z } from 'zod'
import { type Environment, httpUrl, list, settingsFrom, variablesOf, whole, yesOrNo } from '../../lib/environment.ts'
import { type ProxyFor, proxiesOf } from '../../lib/proxy-settings.ts'
import { type AuthenticationSettings, authenticationSettings, authenticationVariables } from './authentication-settings.ts'
import { oldAlgorithms } from './ssh-algorithms.ts'

/** The settings of the clusters face, but for those of its authentication. */
const ClustersSettings = z.object({
  /** Hosts that are investigated, changed or checked at a time in one process. */
  concurrency: whole(1, 1_000).default(32),
  /** Whether a host whose key has changed is trusted again. */
  acceptChangedHostKeys: yesOrNo.default(false),
  /** More algorithms of SSH, for old hosts: `ssh-rsa`, `diffie-hellman-group14-sha1`. */
  sshAlgorithms: list((name) => oldAlgorithms.includes(name), `is none of ${oldAlgorithms.join(', ')}`),
  /** JSON with commands for operating systems, beside or in place of the built-in ones. */
  osFile: z.string().optional(),
  /** etcd of networks that name none. */
  etcdUrl: httpUrl.default('http://127.0.0.1:2379'),
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
  readonly authentication: AuthenticationSettings
  /** From CLUSTERS_PROXY and the variables that name proxies everywhere; for container managers and Keystone. */
  readonly proxyFor: ProxyFor
}

/**
 * The settings of an environment (`CLUSTERS_WATCH=false`), defaults where a variable is missing. Throws an `Error` whose message has one
 * line per variable that cannot be honoured.
 */
export const clustersSettings = (environment: Environment): ClustersSettings => ({
  ...settingsFrom('CLUSTERS', ClustersSettings, environment),
  authentication: authenticationSettings(environment),
  proxyFor: proxiesOf(environment, 'CLUSTERS_PROXY'),
})

/** The defaults alone, for tests. */
export const defaultClustersSettings: ClustersSettings = clustersSettings({})

export const clustersVariables = [...variablesOf('CLUSTERS', ClustersSettings), ...authenticationVariables, 'CLUSTERS_PROXY']
