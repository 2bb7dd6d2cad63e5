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

/** What an operation works on one after the other: the names themselves, or where the input has them and which of those (`at`). */
export const RequestedTargets = z.union([
  z.object({ names: z.array(z.string()) }),
  z.object({ from: z.string(), at: z.array(z.number().int()).optional() }),
])
export type RequestedTargets = z.infer<typeof RequestedTargets>

/** A target by its name and its place in the order, from 0. */
const target = { target: z.string(), place: z.number().int().min(0) }

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
    targets: RequestedTargets.optional(),
  }),
  OperationStarted: z.object({ attempt, worker: z.string(), deadline: z.string() }),
  /** `step` holds the result of a recorded step, of the operation or of one target: a restarted attempt does not run it again. */
  OperationProgressed: z.object({
    attempt,
    phase: z.string().nullable(),
    fraction: z.number().nullable(),
    detail: z.string().nullable(),
    step: z
      .object({ name: z.string(), result: z.json(), target: target.target.optional(), place: target.place.optional() })
      .optional(),
  }),
  /** Labels that its work has set, beside those of the request. */
  OperationLabelled: z.object({ attempt, labels: z.record(z.string(), z.string()) }),
  /** Targets that the request does not name, in parts: `from` is the place of the first one of a part, 0 begins anew. */
  OperationTargetsListed: z.object({ attempt, from: target.place, names: z.array(z.string()), more: z.boolean() }),
  /** `details` are what the work wants to know of the start where it begins the same target again. */
  OperationTargetStarted: z.object({ attempt, ...target, details: z.json().optional() }),
  /** `pauseUntil` is when the next one may start. */
  OperationTargetSucceeded: z.object({ attempt, ...target, result: z.json(), pauseUntil: z.string().optional() }),
  OperationTargetFailed: z.object({ attempt, ...target, error: OperationError, pauseUntil: z.string().optional() }),
  /** An attempt that its limits had admitted may not start after all: the limits changed before it did. */
  OperationHeld: z.object({ attempt, admission: z.number().int().min(0) }),
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
