import type { Logger } from 'pino'
import type { KafkaSettings } from '../bus/kafka/settings.ts'
import type { MessageTopics } from '../bus/message-topics.ts'
import type { BlobFiles } from '../commands/blob-files.ts'
import type { Executor } from '../commands/execute.ts'
import type { Kinds } from '../commands/kind.ts'
import type { Retry } from '../commands/retry.ts'
import type { Submit } from '../commands/submit.ts'
import type { EventDefinition } from '../events/define.ts'
import type { Face } from '../http/faces/face.ts'
import type { HttpPorts } from '../http/faces/http-ports.ts'
import type { Clock } from '../lib/clock.ts'
import type { Environment } from '../lib/environment.ts'
import type { Known } from '../projections/known.ts'
import type { Holds } from '../projections/operations/waiting-for.ts'
import type { Projection, Projections } from '../projections/projection.ts'
import type { Blobs, Uploads } from '../stores/blobs.ts'
import type { EventLog } from '../stores/event-log.ts'
import type { Leadership } from '../stores/leadership.ts'
import type { Leases } from '../stores/leases.ts'
import type { Secrets } from '../stores/secrets.ts'
import type { Processes } from '../workers/processes/processes.ts'
import type { Work } from '../workers/work.ts'

/**
 * One published API in all rooms. `app/faces.ts` lists them; nothing else that is shared names one. The native API's own parts are
 * a module too.
 */
export interface FaceModule<Settings = unknown> {
  /** Its folder in every room, the beginning of its scopes and kinds, `actor.face`. */
  readonly name: string
  /** From the environment. Throws an `Error` with one line per variable that cannot be honoured. */
  settings(environment: Environment, base: BaseSettings): Settings
  /** The variables that they are read from. */
  readonly variables: readonly string[]
  /** Every decider: the face owns the streams of their categories. */
  readonly deciders: readonly AnyDecider[]
  readonly projections: readonly Projection[]
  /** Definitions whose events have members that are `sealed()`: `GET /v1/secrets` lists their subjects and streams. */
  readonly sealed?: readonly EventDefinition[]
  /** Every kind with the views that its work reads: known without loading the work, so that a worker builds no other views. */
  readonly kinds: Readonly<Record<string, { readonly reads: readonly string[] }>>
  /** Loads the works of all these kinds, or none where the settings say so. What works begin by themselves ends with `signal`. */
  works(node: FaceNode<Settings>, signal: AbortSignal): Promise<readonly Work[]>
  /** Kinds that come and go while the process runs, named `own.…`; loaded where it works or answers requests. */
  ownKinds?(node: FaceNode<Settings>, signal: AbortSignal): Promise<Kinds<Work>>
  /** What schedulers of its kinds hold back, and why; asked on processes that answer requests. */
  readonly holds?: {
    readonly reads: readonly string[]
    load(settings: Settings): Promise<(known: Known) => Holds>
  }
  /** Loads what answers requests, on processes that do. */
  serve?(node: ServerNode<Settings>): Promise<Served>
}

/** A module with what the environment says of it. */
export interface ConfiguredFace {
  readonly module: FaceModule
  readonly settings: unknown
}

/** What other settings tell a face. */
export interface BaseSettings {
  /** Whether this machine alone can reach the server. */
  readonly isLocal: boolean
  readonly dataDir: string
}

export interface Served {
  readonly face?: Face
  /** What `/readyz` asks besides, by name: rejects where something is wrong. */
  readonly checks?: Readonly<Record<string, () => Promise<void>>>
  readonly services?: readonly Service[]
  /** Done once the views are live, before this process starts any work: what has to come first after a start. */
  readonly prepare?: () => Promise<void>
}

/** Topics, timers, agents: started once the views are live, stopped before them. */
export interface Service {
  /** Said where it does not stop; unique in its face. */
  readonly name: string
  /** `one`: on one node at a time, chosen by an office. */
  readonly where: 'each' | 'one'
  /** Called again after `stop` where the office came back. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** What a face is given on every node. */
export interface FaceNode<Settings> {
  readonly log: EventLog
  readonly executor: Executor
  readonly submit: Submit
  readonly retry: Retry
  readonly projections: Projections
  readonly blobs: Blobs
  /** What clients uploaded as blobs of the native API. */
  readonly uploads: Uploads
  /** The same for works that take blobs as files. */
  readonly blobFiles: BlobFiles
  readonly secrets: Secrets
  readonly leases: Leases
  readonly processes: Processes
  readonly clock: Clock
  readonly logger: Logger
  /** This process: `id` is new at each start, `startedAt` of the monotonic clock. */
  readonly identity: { readonly id: string; readonly host: string; readonly startedAt: number }
  readonly settings: Settings
  /** Where this process answers requests of the API, once it does. */
  address(): string | undefined
}

/** What a face is given on a node that answers requests. */
export interface ServerNode<Settings> extends FaceNode<Settings> {
  readonly ports: HttpPorts
  readonly leadership: Leadership
  /** Lets the log forget all but the newest events of a stream, where it can. Never rejects. */
  keepShort(stream: string): Promise<void>
  /** Topics of other programs on brokers of their own; loads the client of Kafka. */
  openTopics(settings: KafkaSettings): Promise<OpenedTopics>
}

export interface OpenedTopics {
  readonly topics: MessageTopics
  /** Stops `parts`, which use the topics, and lets go of brokers that do not answer. */
  close(parts: { stop(): Promise<void> }): Promise<void>
}

/** The part of a decider that folds a history. */
export interface AnyDecider {
  readonly category: string
  readonly initial: unknown
  evolve(state: unknown, event: unknown): unknown
}

/** A module with its settings, which only the module reads. */
export const faceModule = <Settings>(module: FaceModule<Settings>): FaceModule => module as FaceModule
