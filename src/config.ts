import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import type { ConfiguredFace, FaceModule } from './app/face-module.ts'
import { faces as allFaces } from './app/faces.ts'
import { kafkaSettings, kafkaVariables } from './bus/kafka/settings.ts'
import { dataDirectory } from './data-directory.ts'
import { isProxyEntry } from './http/server/client-address.ts'
import { isOriginEntry } from './http/server/origins.ts'
import { isHostEntry } from './http/server/own-hosts.ts'
import type { TlsFiles } from './http/server/tls/tls-files.ts'
import { type Environment, list, whole, yesOrNo } from './lib/environment.ts'
import { messageOf } from './lib/errors.ts'
import { unknownNames } from './lib/unknown-names.ts'
import { setVariables } from './set-variables.ts'
import { eventStoreDbSettings, eventStoreDbVariables } from './stores/eventstoredb/settings.ts'

/** A setting that cannot be honoured; the message is meant for the person who set it. */
export class InvalidSettings extends Error {
  override readonly name = 'InvalidSettings'
}

const port = whole(0, 65_535)

const portOrOff = z.unknown().transform((value, context): number | 'off' => {
  if (value === 'off') return value
  const parsed = port.safeParse(value)
  if (parsed.success) return parsed.data
  for (const { message } of parsed.error.issues) context.addIssue({ code: 'custom', message })
  return z.NEVER
})

/** Every setting of the server, named as in the environment. Source: docs/configuration.md. */
const Settings = z.object({
  /** Address to listen on; anything but loopback needs credentials. */
  HOST: z.string().default('127.0.0.1'),
  /** TCP port; 0 takes a free one; `off`: TLS_PORT alone. */
  PORT: portOrOff.default(8080),
  /** TCP port of the TLS listener; 0 takes a free one. */
  TLS_PORT: port.optional(),
  /** PEM file of the server's certificate, followed by those between it and its authority. */
  TLS_CERT_FILE: z.string().optional(),
  /** PEM file of its key, without a passphrase. */
  TLS_KEY_FILE: z.string().optional(),
  /** PEM file of the authorities of client certificates; clients are asked for one where it is set. */
  TLS_CLIENT_CA_FILE: z.string().optional(),
  /** Directory of the log, the views, the blobs and the key file; one process at a time. */
  DATA_DIR: z.string().default('./data'),
  /** Directory of the blobs; several nodes share one. Default blobs in DATA_DIR. */
  BLOBS_DIR: z.string().optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  /** Master key of sealed secrets, 32 bytes in base64 or hex; without it a key file is made. */
  SECRETS_KEY: z.string().optional(),
  /** File of that key; several nodes share one. Default secrets.key in DATA_DIR. */
  SECRETS_KEY_FILE: z.string().optional(),
  /** File of the credentials; default credentials.json in DATA_DIR. */
  CREDENTIALS_FILE: z.string().optional(),
  /** How long a silent worker is believed to live. */
  LEASE_MS: whole(200).default(10_000),
  /** Operations that this process runs at the same time. */
  WORKER_CONCURRENCY: whole(1, 10_000).default(32),
  /** How long running work may go on after SIGTERM before it is handed back. */
  SHUTDOWN_GRACE_MS: whole(0).default(10_000),
  /** Between TERM and KILL, for programs that are to end. */
  KILL_GRACE_MS: whole(0, 3_600_000).default(5_000),
  /** Largest body of a native request. */
  MAX_BODY_BYTES: whole(1024).default(1_048_576),
  /** Bytes of all large bodies (over 16 KiB) in work at a time; more are 503. */
  MAX_BODIES_BYTES: whole(1024).default(8_388_608),
  /** Largest blob. */
  MAX_BLOB_BYTES: whole(1).default(5_368_709_120),
  /** A body of which no byte comes for this long is given up. */
  BODY_IDLE_MS: whole(100).default(30_000),
  /** Most bytes on disk of the copies of views that answer questions about the past. */
  PAST_VIEWS_MAX_BYTES: whole(0).default(1_073_741_824),
  /** Hosts beside loopback that are answered for without credentials: `name`, `name:port`, `*.name`, an address, `*`. */
  ALLOWED_HOSTS: list(isHostEntry, 'is not a host (name, name:port, *.name or an address)'),
  /** Origins whose pages may use the server without credentials: `https://name:port`, `null`, `*`. */
  ALLOWED_ORIGINS: list(isOriginEntry, 'is not an origin (https://name:port without a path)'),
  /** Addresses and networks of proxies whose `Forwarded` and `X-Forwarded-For` are believed. */
  TRUSTED_PROXIES: list(isProxyEntry, 'is not an address or a network (10.0.0.0/8)'),
  /** Whether the faces' answers carry Operation-Id and the other additional headers. */
  NATIVE_HEADERS_ON_FACES: yesOrNo.default(true),
})

/** The TLS listener. */
export interface TlsSettings extends TlsFiles {
  readonly port: number
}

export interface Config {
  readonly host: string
  /** Undefined: TLS alone. */
  readonly port: number | undefined
  /** Undefined: no TLS listener. */
  readonly tls: TlsSettings | undefined
  readonly dataDir: string
  readonly blobsDir: string
  /** Undefined: the log is a file in `dataDir`. */
  readonly eventStoreDb: ReturnType<typeof eventStoreDbSettings>
  /** Undefined: the bus is inside the process. */
  readonly kafka: ReturnType<typeof kafkaSettings>
  readonly logLevel: string
  readonly secretsKey: string | undefined
  /** Undefined: `secrets.key` in `dataDir`. */
  readonly secretsKeyFile: string | undefined
  readonly credentialsFile: string
  readonly leaseMs: number
  readonly workerConcurrency: number
  readonly shutdownGraceMs: number
  readonly killGraceMs: number
  /** What the environment of programs has of that of this process. */
  readonly programEnvironment: { readonly PATH?: string; readonly LANG?: string }
  readonly maxBodyBytes: number
  readonly maxBodiesBytes: number
  readonly maxBlobBytes: number
  readonly bodyIdleMs: number
  readonly pastViewsMaxBytes: number
  readonly allowedHosts: readonly string[]
  readonly allowedOrigins: readonly string[]
  readonly trustedProxies: readonly string[]
  readonly nativeHeadersOnFaces: boolean
  /** Every face, with its settings. */
  readonly faces: readonly ConfiguredFace[]
  /** What is set and has no effect, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Reads every setting; `above` (options of the command line) wins over the environment, which wins over `below`. Throws `InvalidSettings` with one line per
 * setting that cannot be honoured. `faces` are those of the program, unless an embedding program has others.
 */
export const loadConfig = (
  /** Default: that of this process. */
  environment?: Environment,
  {
    above = {},
    below = {},
    faces = allFaces,
  }: { readonly above?: Environment; readonly below?: Environment; readonly faces?: readonly FaceModule[] } = {},
): Config => {
  const env = { ...setVariables(below), ...setVariables(environment), ...setVariables(above) }
  const result = Settings.safeParse(env)
  const problems = result.success ? [] : result.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`)
  const part = <Settings>(read: (environment: Environment) => Settings): Settings | undefined => {
    try {
      return read(env)
    } catch (error) {
      problems.push(messageOf(error))
      return undefined
    }
  }
  const eventStoreDb = part(eventStoreDbSettings)
  const kafka = part(kafkaSettings)
  const base = {
    isLocal: result.success && isLoopback(result.data.HOST),
    dataDir: result.success ? result.data.DATA_DIR : '',
  }
  const configured = faces.map((module) => ({ module, settings: part((environment) => module.settings(environment, base)) }))
  if (kafka !== undefined && eventStoreDb === undefined && problems.length === 0)
    problems.push(
      'KAFKA_BROKERS needs EVENTSTOREDB_URL: the embedded log has one writer, so no other process can share the bus. For the crawling topics alone, set CRAWLING_KAFKA_BROKERS',
    )
  if (result.success) problems.push(...tlsProblems(result.data))
  if (!result.success || problems.length > 0) throw new InvalidSettings(problems.join('\n'))
  const settings = result.data
  return {
    host: settings.HOST,
    port: settings.PORT === 'off' ? undefined : settings.PORT,
    tls: tlsOf(settings),
    dataDir: settings.DATA_DIR,
    blobsDir: settings.BLOBS_DIR ?? dataDirectory(settings.DATA_DIR).blobs,
    eventStoreDb,
    kafka,
    logLevel: settings.LOG_LEVEL,
    secretsKey: settings.SECRETS_KEY,
    secretsKeyFile: settings.SECRETS_KEY_FILE,
    credentialsFile: settings.CREDENTIALS_FILE ?? dataDirectory(settings.DATA_DIR).credentials,
    leaseMs: settings.LEASE_MS,
    workerConcurrency: settings.WORKER_CONCURRENCY,
    shutdownGraceMs: settings.SHUTDOWN_GRACE_MS,
    killGraceMs: settings.KILL_GRACE_MS,
    programEnvironment: {
      ...(env.PATH === undefined ? {} : { PATH: env.PATH }),
      ...(env.LANG === undefined ? {} : { LANG: env.LANG }),
    },
    maxBodyBytes: settings.MAX_BODY_BYTES,
    maxBodiesBytes: settings.MAX_BODIES_BYTES,
    maxBlobBytes: settings.MAX_BLOB_BYTES,
    bodyIdleMs: settings.BODY_IDLE_MS,
    pastViewsMaxBytes: settings.PAST_VIEWS_MAX_BYTES,
    allowedHosts: settings.ALLOWED_HOSTS,
    allowedOrigins: settings.ALLOWED_ORIGINS,
    trustedProxies: settings.TRUSTED_PROXIES,
    nativeHeadersOnFaces: settings.NATIVE_HEADERS_ON_FACES,
    faces: configured,
    warnings: unknownSettings(env, faces),
  }
}

type TlsVariables = Pick<z.infer<typeof Settings>, 'PORT' | 'TLS_PORT' | 'TLS_CERT_FILE' | 'TLS_KEY_FILE' | 'TLS_CLIENT_CA_FILE'>

const tlsProblems = (settings: TlsVariables): readonly string[] => {
  const needed = ['TLS_PORT', 'TLS_CERT_FILE', 'TLS_KEY_FILE'] as const
  const missing = needed.filter((name) => settings[name] === undefined)
  const given = ([...needed, 'TLS_CLIENT_CA_FILE'] as const).filter((name) => settings[name] !== undefined)
  if (given.length > 0 && missing.length > 0) return [`${given.join(', ')} needs ${missing.join(' and ')} too`]
  return settings.PORT === 'off' && given.length === 0 ? ['PORT off needs TLS_PORT, TLS_CERT_FILE and TLS_KEY_FILE'] : []
}

const tlsOf = (settings: TlsVariables): TlsSettings | undefined => {
  const { TLS_PORT: port, TLS_CERT_FILE: certificate, TLS_KEY_FILE: key, TLS_CLIENT_CA_FILE: clientAuthorities } = settings
  return port === undefined || certificate === undefined || key === undefined
    ? undefined
    : { port, certificate, key, clientAuthorities }
}

const clientVariables = ['INTENDANT_URL', 'INTENDANT_TOKEN']

/** The settings whose prefix (`KAFKA_`) marks a name as meant for this program. */
const prefixedNames = (faces: readonly FaceModule[]): readonly string[] => [
  ...kafkaVariables,
  ...eventStoreDbVariables,
  ...clientVariables,
  ...faces.flatMap(({ variables }) => variables),
]

/** Names of all settings of the program, those of its faces included. */
export const settingNames = (faces: readonly FaceModule[] = allFaces): readonly string[] => [
  ...Object.keys(Settings.shape),
  ...prefixedNames(faces),
]

/** A warning and no error: other programs on the machine may use the same prefixes. */
const unknownSettings = (env: Environment, faces: readonly FaceModule[]): readonly string[] => {
  const prefixes = [...new Set(prefixedNames(faces).map((name) => name.slice(0, name.indexOf('_') + 1)))]
  return unknownNames(Object.keys(env), { known: settingNames(faces), prefixes })
}

/** Whether only this machine can reach an address to listen on. */
export const isLoopback = (host: string): boolean => {
  if (host === 'localhost') return true
  return ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback'
}
