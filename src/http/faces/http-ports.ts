import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { BlobFiles } from '../../commands/blob-files.ts'
import type { Executor } from '../../commands/execute.ts'
import type { Forget } from '../../commands/forget-secrets.ts'
import type { Kinds } from '../../commands/kind.ts'
import type { Retry } from '../../commands/retry.ts'
import type { Schedules } from '../../commands/schedules/schedules.ts'
import type { Submit } from '../../commands/submit.ts'
import type { SubmitBatch } from '../../commands/submit-batch.ts'
import type { SealedValue } from '../../events/sealed.ts'
import type { Clock } from '../../lib/clock.ts'
import type { JsonValue } from '../../lib/json.ts'
import type { Knowledge, Known } from '../../projections/known.ts'
import type { OperationQueries } from '../../projections/operations/operations.ts'
import type { Projections } from '../../projections/projection.ts'
import type { Blobs, Uploads } from '../../stores/blobs.ts'
import type { Credentials } from '../../stores/credentials/credentials.ts'
import type { EventLog } from '../../stores/event-log.ts'
import type { Leases } from '../../stores/leases.ts'

/** Everything that routes need; `app.ts` puts it together. A face that needs more takes it as an argument of its own. */
export interface HttpPorts {
  readonly log: EventLog
  readonly executor: Executor
  readonly submit: Submit
  readonly submitBatch: SubmitBatch
  /** `createRetry` in commands/retry.ts. */
  readonly retry: Retry
  /** `createSchedules` in commands/schedules/schedules.ts. */
  readonly schedules: Schedules
  /** `createForget` in commands/forget-secrets.ts. */
  readonly forget: Forget
  /** Seals a value for a subject, to stand in an event. Routes cannot open it again. */
  readonly seal: (subject: string, value: JsonValue) => Promise<SealedValue>
  /** Opens a value to give a kept answer again, or to see whether it still opens; throws `SecretForgotten`. For nothing else. */
  readonly unseal: (kept: SealedValue) => Promise<JsonValue>
  /** How the views are; what they hold is read by `known`, which each request is given. */
  readonly projections: Pick<Projections, 'reached' | 'together' | 'status' | 'rebuild' | 'onApplied'>
  readonly knowledge: Knowledge
  /** Operations as a request may know them. */
  readonly operations: OperationsOf
  readonly kinds: Kinds
  readonly leases: Leases
  readonly blobs: Blobs
  /** What clients uploaded as blobs of the native API. */
  readonly uploads: Uploads
  readonly blobFiles: Pick<BlobFiles, 'removing'>
  readonly credentials: Credentials
  readonly health: Health
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: HttpSettings
  /** Metrics of other parts are shown beside the server's own; made here where it is missing. */
  readonly registry?: Registry
}

/** The queries of operations, and the views that they read. */
export interface OperationsOf {
  (known: Known): OperationQueries
  readonly reads: readonly string[]
}

/** `starting` until views are live, `draining` after the first SIGTERM, `failing` when a check fails. */
export type HealthState = 'starting' | 'ready' | 'draining' | 'failing'

/** Status of this process. `checks` names every part with `ok` or its problem. */
export interface Health {
  /** Cheap: asked on every request. */
  state(): HealthState
  checks(): Promise<Readonly<Record<string, string>>>
}

export interface HttpSettings {
  /** Largest request body in bytes that the native API takes, and faces that name no limit of their own. */
  readonly maxBodyBytes: number
  /** Bytes of all large bodies that are in work at a time; more are refused. */
  readonly maxBodiesBytes: number
  /** Largest blob in bytes. */
  readonly maxBlobBytes: number
  /** A body of which no byte comes for this long is given up. */
  readonly bodyIdleMs: number
  /** Whether faces add `Operation-Id`, `Event-Position`, `traceparent` and the like to their answers. */
  readonly extraHeaders: boolean
  /** Hosts beside loopback that the server answers for while it has no credentials; entries as `own-hosts.ts` takes them. */
  readonly allowedHosts: readonly string[]
  /** Origins whose pages may use it meanwhile; entries as `origins.ts` takes them. */
  readonly allowedOrigins: readonly string[]
  /** Addresses and networks whose `Forwarded` and `X-Forwarded-For` are believed; entries as `client-address.ts` takes them. */
  readonly trustedProxies: readonly string[]
  /** Whether other nodes stand on the same log. */
  readonly sharesLog: boolean
  /** Program version, shown in the OpenAPI document. */
  readonly version: string
}

export const defaultHttpSettings: HttpSettings = {
  maxBodyBytes: 1_048_576,
  maxBodiesBytes: 8_388_608,
  maxBlobBytes: 5_368_709_120,
  bodyIdleMs: 30_000,
  extraHeaders: true,
  allowedHosts: [],
  allowedOrigins: [],
  trustedProxies: [],
  sharesLog: false,
  version: '0.1.0',
}
