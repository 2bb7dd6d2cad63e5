import { hostname } from 'node:os'
import { type Logger, pino } from 'pino'
import { createExecutor, type Executor } from '../commands/execute.ts'
import { type Config, InvalidSettings, isLoopback } from '../config.ts'
import { dataDirectory } from '../data-directory.ts'
import { createHealth, type ProcessHealth } from '../health.ts'
import { type Clock, instant, systemClock } from '../lib/clock.ts'
import { newId, sha256 } from '../lib/ids.ts'
import { createProjections } from '../projections/engine.ts'
import type { Projection, Projections } from '../projections/projection.ts'
import type { Blobs } from '../stores/blobs.ts'
import { type Credentials, openCredentials } from '../stores/credentials.ts'
import { openPackedBlobs } from '../stores/embedded/blob-packs.ts'
import { lockDataDir } from '../stores/embedded/lock.ts'
import { loadMasterKey, openSecrets } from '../stores/embedded/secrets.ts'
import type { Secrets } from '../stores/secrets.ts'
import { crawlingWorks } from '../workers/crawling/works.ts'
import type { Kinds } from '../workers/kinds.ts'
import { probe } from '../workers/probe.ts'
import { createRuntime, type Runtime, type RuntimeOptions } from '../workers/runtime.ts'
import type { Work } from '../workers/work.ts'
import { type Engines, openEngines } from './engines.ts'
import type { Part } from './lifecycle.ts'

/** What tests and embedding programs bring along instead of the defaults. */
export interface Overrides {
  readonly clock?: Clock
  readonly logger?: Logger
  /** Further kinds of work. */
  readonly works?: readonly Work[]
  /** Shown in the OpenAPI document. */
  readonly version?: string
}

/** What a process that answers requests and one that only works have in common. */
export interface Node {
  readonly clock: Clock
  readonly logger: Logger
  readonly engines: Engines
  readonly credentials: Credentials
  readonly secrets: Secrets
  readonly blobs: Blobs
  readonly projections: Projections
  readonly executor: Executor
  readonly health: ProcessHealth
  /** Every kind of work that the program knows. */
  readonly works: readonly Work[]
  /** `id` is new at each start: 12 lower-case hexadecimal digits. `startedAt` is in milliseconds since the epoch. */
  readonly identity: { readonly id: string; readonly host: string; readonly startedAt: number }
  /** Runs works of the given kinds; at most one per process. */
  createRuntime(kinds: Kinds, options?: Pick<RuntimeOptions, 'hearsRequests'>): Runtime
  /** Ends what works began by themselves; to be called before the runtime is stopped. */
  endWorks(): void
  /** What is to be closed, in this order, when nobody uses it any more. */
  readonly parts: readonly Part[]
}

/**
 * Takes the data directory and opens log and bus; nothing listens and nothing works yet. Throws `InvalidSettings` where the
 * settings contradict each other, `DataDirHeld` where another process holds the directory, `Unavailable` where an engine is out of reach.
 */
export const openNode = async ({
  config,
  overrides: { clock = systemClock, works = [], ...overrides },
  command,
  views,
}: {
  readonly config: Config
  readonly overrides: Overrides
  /** Said to whoever finds the data directory taken. */
  readonly command: string
  /** The views that this process builds. */
  readonly views: readonly Projection[]
}): Promise<Node> => {
  const logger = overrides.logger ?? pino({ level: config.logLevel }, pino.destination(2))
  const credentials = openCredentials(config.credentialsFile)
  if (!isLoopback(config.host) && !credentials.configured()) throw new InvalidSettings(openToAll(config))

  const { directory } = dataDirectory(config.dataDir)
  const holder = { pid: process.pid, host: hostname(), command, listens: `${config.host}:${config.port}` }
  const lock = lockDataDir(directory, { ...holder, since: instant(clock.now()) })
  const opened = async () => {
    const masterKey = loadMasterKey({ directory, file: config.secretsKeyFile, fromSetting: config.secretsKey })
    return { masterKey, engines: await openEngines({ config, clock, logger }) }
  }
  const { masterKey, engines } = await opened().catch((error: unknown) => {
    lock.release()
    throw error
  })
  if (engines.isShared && (config.secretsKey ?? config.secretsKeyFile) === undefined) logger.warn(ownKey)

  const { log, leases } = engines
  const secrets = openSecrets({ log, masterKey })
  const blobs = openPackedBlobs(config.blobsDir)
  const projections = createProjections({ log, directory: engines.viewsDirectory, projections: views, clock, logger })
  const executor = createExecutor({ log, clock })
  const identity = { id: sha256(newId()).slice(0, 12), host: hostname(), startedAt: clock.now() }
  const ending = new AbortController()
  const crawling = crawlingWorks({
    log,
    executor,
    projections,
    blobs,
    leases,
    settings: config.crawling,
    clock,
    logger,
    node: identity,
    signal: ending.signal,
  })

  const health = createHealth({ log, projections, clock, checks: engines.checks })

  return {
    clock,
    logger,
    engines,
    credentials,
    secrets,
    blobs,
    projections,
    executor,
    identity,
    health,
    // In front of a Scrapy Cluster nothing is crawled here.
    works: [probe(clock) as Work, ...(config.crawling.mode === 'bridge' ? [] : crawling), ...works],
    createRuntime: (kinds, chosen) => {
      const runtime = createRuntime({
        ...engines,
        ...chosen,
        name: hostname(),
        host: hostname(),
        executor,
        kinds,
        secrets,
        clock,
        logger,
        concurrency: config.workerConcurrency,
        leaseMs: config.leaseMs,
      })
      health.watch('lease', async () => {
        if (!runtime.holdsLease()) throw new Error('this worker holds no lease: it starts nothing until it does')
      })
      return runtime
    },
    endWorks: () => ending.abort(),
    parts: [{ name: 'views', close: projections.stop }, ...engines.parts, { name: 'data directory', close: lock.release }],
  }
}

const openToAll = ({ host, credentialsFile }: Config): string =>
  `HOST ${host} is reachable from other machines, and no credentials are configured (${credentialsFile}). ` +
  'Make some with "intendant credentials add NAME --scope \'*\'", or listen on 127.0.0.1.'

const ownKey =
  'neither SECRETS_KEY nor SECRETS_KEY_FILE is set: this node seals secrets with a key of its own, and no other node can open them'
