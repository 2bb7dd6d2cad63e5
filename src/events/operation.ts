import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'

/** Delay before the n-th retry: `initialMs · factor^(n-1)`, at most `maxMs`. */
export const Backoff = z.object({ initialMs: z.number(), factor: z.number(), maxMs: z.number() })
export type Backoff = z.infer<typeof Backoff>

/** Attempts in a row that may be lost with their worker where the policy names no number. */
export const defaultLostAttempts = 5

/**
 * How an operation is attempted. `timeoutMs` is per attempt; `whenLost` says what a vanished worker means, and `lostAttempts` how many
 * attempts in a row may be lost before the operation fails; these do not count as `attempts`.
 */
export const Policy = z.object({
  attempts: z.number().int().min(1),
  timeoutMs: z.number().int().min(1),
  backoff: Backoff,
  whenLost: z.enum(['retry', 'fail']),
  lostAttempts: z.number().int().min(1).optional(),
})
export type Policy = z.infer<typeof Policy>

export const OperationError = z.object({
  type: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  details: z.json().optional(),
})
export type OperationError = z.infer<typeof OperationError>

const attempt = z.number().int().min(1)

/**
 * One long-running thing, stream `operation-<uuid v7>`: requested once, attempted under leases, ended exactly once.
 * Source: native contract, section 3.
 */
export const operationEvents = defineEvents('operation', {
  OperationRequested: z.object({
    kind: z.string(),
    face: z.string().nullable(),
    lane: z.string().nullable(),
    priority: z.number().int(),
    runAt: z.string().nullable(),
    input: z.json(),
    policy: Policy,
    externalRef: z.string().nullable(),
    parent: z.string().nullable(),
    retryOf: z.string().nullable(),
    /** Absent where there are none; so are the following members. */
    labels: z.record(z.string(), z.string()).optional(),
    /** Keys of the limits that hold its starts. */
    limits: z.array(z.string()).optional(),
    /** The schedule that asked for it, by name, and the time that it was asked for. */
    schedule: z.string().optional(),
    slot: z.string().optional(),
    /** Ids of the blobs that its kind takes as files. */
    files: z.array(z.string()).optional(),
  }),
  OperationStarted: z.object({ attempt, worker: z.string(), deadline: z.string() }),
  /** `step` holds the result of a recorded step: a restarted attempt does not run it again. */
  OperationProgressed: z.object({
    attempt,
    phase: z.string().nullable(),
    fraction: z.number().nullable(),
    detail: z.string().nullable(),
    step: z.object({ name: z.string(), result: z.json() }).optional(),
  }),
  OperationAttemptFailed: z.object({ attempt, error: OperationError, retryAt: z.string() }),
  OperationCancelRequested: z.object({ reason: z.string().nullable() }),
  OperationSucceeded: z.object({ attempt, result: z.json() }),
  OperationFailed: z.object({ attempt, error: OperationError }),
  OperationCancelled: z.object({ attempt: z.number().int().nullable(), reason: z.string().nullable() }),
  OperationTimedOut: z.object({ attempt, timeoutMs: z.number() }),
})
export type OperationEvent = EventOf<typeof operationEvents>

/** The stream of an operation is this and its id. */
export const operationPrefix = 'operation-'

/** The id of the operation whose stream an event stands in. */
export const operationOf = ({ stream }: { readonly stream: string }): string => stream.slice(operationPrefix.length)

export type OperationRequest = z.infer<(typeof operationEvents.schemas)['OperationRequested']>

/** The words that every face translates into its own. Source: native contract, section 2. */
export const operationStates = [
  'pending',
  'running',
  'retrying',
  'cancelling',
  'succeeded',
  'failed',
  'cancelled',
  'timed-out',
] as const
export type OperationState = (typeof operationStates)[number]

export const terminalTypes = ['OperationSucceeded', 'OperationFailed', 'OperationCancelled', 'OperationTimedOut'] as const
