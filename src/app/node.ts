import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { type BlobFiles, createBlobFiles } from '../commands/blob-files.ts'
import { createExecutor, type Executor } from '../commands/execute.ts'
import { createKinds, type Kinds } from '../commands/kind.ts'
import { createRetry, type Retry } from '../commands/retry.ts'
import { createPrepare, createSubmit, type Prepare, type Submit } from '../commands/submit.ts'
import type { Config } from '../config.ts'
import { dataDirectory } from '../data-directory.ts'
import { createHealth, type ProcessHealth } from '../health.ts'
import type { Clock } from '../lib/clock.ts'
import { newId, sha256 } from '../lib/ids.ts'
import { createProjections } from '../projections/engine/projection-engine.ts'
import type { Projection, Projections } from '../projections/projection.ts'
import type { Blobs, Uploads } from '../stores/blobs.ts'
import type { Credentials } from '../stores/credentials/credentials.ts'
import { openPackedBlobs } from '../stores/embedded/blobs/blob-packs.ts'
import { openUploads } from '../stores/embedded/blobs/uploads.ts'
import { openSecrets } from '../stores/embedded/secrets.ts'
import { checkDiskSpace } from '../stores/files/disk-space.ts'
import type { Secrets } from '../stores/secrets.ts'
import { createRuntime, type Runtime, type RuntimeOptions } from '../workers/engine/runtime.ts'
import { createProcesses } from '../workers/processes/system-processes.ts'
import type { Work } from '../workers/work.ts'
import type { Engines } from './engines/engines.ts'
import type { FaceNode } from './face-module.ts'
import { checkFaces, checkWorks } from './faces.ts'
import type { Part } from './lifecycle.ts'
import type { Base } from './resources.ts'

/** What tests and embedding programs bring along instead of the defaults. */
export interface Overrides {
  readonly clock?: Clock
  readonly logger?: Logger
  /** Goes on where the data directory proves that something is gone, instead of refusing to start. Default false. */
  readonly acceptLoss?: boolean
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
  readonly uploads: Uploads
  readonly blobFiles: BlobFiles
  readonly projections: Projections
  readonly executor: Executor
  readonly prepare: Prepare
  readonly submit: Submit
  readonly retry: Retry
  readonly health: ProcessHealth
  /** Every kind of work that the program knows. */
  readonly kinds: Kinds<Work>
  /** What each face is given, beside its settings. */
  readonly faceNode: Omit<FaceNode<unknown>, 'settings'>
  /** Tells faces where the API is answered. */
  answersAt(url: string | undefined): void
  /** `id` is new at each start: 12 lower-case hexadecimal digits. `startedAt` is of the monotonic clock. */
  readonly identity: { readonly id: string; readonly host: string; readonly startedAt: number }
  /** Runs works of the given kinds; at most one per process. */
  createRuntime(kinds: Kinds<Work>, options?: Pick<RuntimeOptions, 'hearsRequests'>): Runtime
  /** Ends what works began by themselves; to be called before the runtime is stopped. */
  endWorks(): void
  /** Closed in this order, when unused. */
  readonly parts: readonly Part[]
}

/** Work that is stopped at a shutdown has a quarter of the grace to end: programs that ignore it are killed before. */
const shutdownShare = 0.2

/** Assembles a node on its resources; it does not listen or run work yet. */
export const createNode = async ({
  config,
  overrides: { acceptLoss = false },
  base,
  views,
}: {
  readonly config: Config
  readonly overrides: Overrides
  readonly base: Base
  /** The views that this process builds. */
  readonly views: readonly Projection[]
}): Promise<Node> => {
  checkFaces(config.faces.map(({ module }) => module))
  const { clock, logger, credentials, masterKey, engines, checkpoints } = base
  const { log, leases } = engines
  const secrets = openSecrets({ log, masterKey })
  const blobs = openPackedBlobs(config.blobsDir)
  const uploads = openUploads(join(config.blobsDir, 'uploads'))
  const projections = createProjections({
    log,
    directory: engines.viewsDirectory,
    projections: views,
    clock,
    logger,
    walGrown: checkpoints.ask,
    acceptLoss,
  })
  const executor = createExecutor({ log, clock })
  const blobFiles = createBlobFiles({ executor, uploads })
  const identity = { id: sha256(newId()).slice(0, 12), host: hostname(), startedAt: clock.monotonic() }
  const ending = new AbortController()
  const processes = createProcesses({
    directory: dataDirectory(config.dataDir).programs,
    clock,
    logger,
    graceMs: config.killGraceMs,
    shutdownGraceMs: shutdownShare * config.shutdownGraceMs,
    environment: config.programEnvironment,
  })
  // Works may ask for operations; which kinds there are is known when all works are made.
  let kinds: Kinds<Work> | undefined
  const submitPorts = {
    kinds: {
      get: (kind: string) => kinds?.get(kind),
      get faulty() {
        return kinds?.faulty ?? []
      },
    },
    secrets,
    blobs: blobFiles,
  }
  const prepare = createPrepare(submitPorts)
  const submit = createSubmit({ executor, ...submitPorts })
  const retry = createRetry({ executor, log, ...submitPorts, submit })
  let address: string | undefined
  const faceNode = {
    address: () => address,
    log,
    executor,
    submit,
    retry,
    projections,
    blobs,
    uploads,
    blobFiles,
    secrets,
    leases,
    processes,
    clock,
    logger,
    identity,
  }
  const works = await Promise.all(
    config.faces.map(async ({ module, settings }) => {
      const made = await module.works({ ...faceNode, settings }, ending.signal)
      checkWorks(module, made)
      return made
    }),
  )
  const coming = await Promise.all(
    config.faces.map(({ module, settings }) => module.ownKinds?.({ ...faceNode, settings }, ending.signal) ?? []),
  )
  kinds = createKinds(works.flat(), coming.flat())
  const disk = (): Promise<void> => checkDiskSpace(config.dataDir)
  const health = createHealth({ log, projections, clock, checks: { disk, ...engines.checks } })

  return {
    clock,
    logger,
    engines,
    credentials,
    secrets,
    blobs,
    uploads,
    blobFiles,
    projections,
    executor,
    identity,
    health,
    kinds,
    prepare,
    submit,
    retry,
    faceNode,
    answersAt: (url) => {
      address = url
    },
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
        if (!runtime.holdsLease()) throw new Error('this worker has no lease and starts no work until it has one')
      })
      return runtime
    },
    endWorks: () => ending.abort(),
    parts: [{ name: 'programs', close: processes.stop }, { name: 'views', close: projections.stop }, ...base.parts],
  }
}
