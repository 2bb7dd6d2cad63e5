import {
  defaultLostAttempts,
  type OperationError,
  type OperationEvent,
  type OperationRequest,
  type OperationState,
  operationPrefix,
} from '../events/operation.ts'
import { instant, parseInstant } from '../lib/clock.ts'
import type { JsonValue } from '../lib/json.ts'
import { type Decider, type Decision, nothing, refuse } from './decider.ts'
import { retryDelayMs } from './retry-delay.ts'
import {
  changeTargets,
  endTargets,
  evolveTargets,
  isOfTarget,
  listTargets,
  requestedTargets,
  type TargetChange,
  type Targets,
} from './targets.ts'

/** Everything that can be asked of an operation. `now` is milliseconds since the epoch; `progress` is what no event says yet. */
export type OperationCommand = { readonly id: string } & (
  | { readonly type: 'RequestOperation'; readonly request: OperationRequest }
  | {
      readonly type: 'StartAttempt'
      readonly worker: string
      readonly now: number
      /** The attempt after which the supervisor has waited for long enough, whatever this clock says. */
      readonly waitedAfter?: number | undefined
      /** The admission that it needs where the operation names limits. */
      readonly admitted?: Admission | undefined
    }
  /** Takes an admission back, unless the attempt has started. */
  | { readonly type: 'HoldAttempt'; readonly attempt: number; readonly admission: number }
  | ({ readonly type: 'ReportProgress'; readonly attempt: number } & Progress)
  | {
      readonly type: 'RecordStep'
      readonly attempt: number
      readonly name: string
      readonly result: JsonValue
      /** The target that the step is one of; undefined for one of the operation. */
      readonly of?: { readonly target: string; readonly place: number } | undefined
    }
  | { readonly type: 'LabelAttempt'; readonly attempt: number; readonly labels: Readonly<Record<string, string>> }
  | {
      readonly type: 'ListTargets'
      readonly attempt: number
      readonly from: number
      readonly names: readonly string[]
      readonly more: boolean
    }
  | { readonly type: 'RecordTargets'; readonly attempt: number; readonly changes: readonly TargetChange[] }
  | { readonly type: 'SucceedAttempt'; readonly attempt: number; readonly result: JsonValue; readonly progress?: Progress | null }
  | {
      readonly type: 'FailAttempt'
      readonly attempt: number
      readonly error: OperationError
      readonly now: number
      /** When to try again, in milliseconds from now; without it the policy says so. */
      readonly retryAfterMs?: number | undefined
      readonly progress?: Progress | null
    }
  | { readonly type: 'LoseAttempt'; readonly attempt: number; readonly now: number }
  | { readonly type: 'HandBackAttempt'; readonly attempt: number; readonly now: number }
  | { readonly type: 'TimeOutAttempt'; readonly attempt: number }
  | { readonly type: 'CancelOperation'; readonly reason: string | null }
  | { readonly type: 'ConfirmCancelled'; readonly attempt: number }
)

/** That the limits of an operation let an attempt start; `number` is the revision of the event that says so. */
export interface Admission {
  readonly attempt: number
  readonly number: number
}

interface Progress {
  readonly phase: string | null
  readonly fraction: number | null
  readonly detail: string | null
}

/** What an operation that exists remembers between its events. */
export interface Live {
  readonly request: OperationRequest
  /** The last attempt's number, 0 before the first; numbers only grow, which is what fences late outcomes. */
  readonly attempt: number
  /** Attempts that count against the policy: failed ones, not those that were lost or handed back. */
  readonly spent: number
  /** Attempts that were lost since one last failed. */
  readonly lost: number
  readonly worker: string | null
  readonly steps: Readonly<Record<string, JsonValue>>
  readonly progress: Progress | null
  /** Null for an operation without targets, or whose work has not named any yet. */
  readonly targets: Targets | null
  /** The last admission that was taken back. */
  readonly held?: number | undefined
  /** What its work has set, beside the labels of the request. */
  readonly labels?: Readonly<Record<string, string>> | undefined
}

export type OperationDecisionState =
  | { readonly status: 'absent' }
  | ({ readonly status: 'pending' } & Live)
  | ({ readonly status: 'running' } & Live)
  | ({ readonly status: 'retrying'; readonly retryAt: string } & Live)
  | ({ readonly status: 'cancelling'; readonly reason: string | null } & Live)
  | Ended

interface Ended {
  readonly status: 'succeeded' | 'failed' | 'cancelled' | 'timed-out'
  readonly attempt: number
  /** Where it had any. */
  readonly targets?: Targets
}

export type OperationRefusal =
  | { readonly reason: 'unknown-operation' }
  | { readonly reason: 'operation-exists' }
  | { readonly reason: 'already-finished'; readonly state: OperationState }
  | { readonly reason: 'already-running'; readonly attempt: number }
  | { readonly reason: 'cancel-requested' }
  | { readonly reason: 'not-due'; readonly until: string }
  | { readonly reason: 'not-admitted' }
  | { readonly reason: 'attempt-superseded'; readonly attempt: number }

type Happened = Decision<OperationEvent, OperationRefusal>
type Events = { readonly events: readonly OperationEvent[] }

export const operationStream = (id: string): string => `${operationPrefix}${id}`

export const workerLost: OperationError = {
  type: 'worker-lost',
  message: 'the worker vanished or stopped renewing its lease before it reported an outcome',
  retryable: true,
}
const handedBack: OperationError = {
  type: 'worker-stopped',
  message: 'the worker was shut down and handed the operation back',
  retryable: true,
}

/** Whether an attempt ended without a word of its work: its worker vanished, or handed it back. */
export const isInterruption = (errorType: string): boolean => errorType === workerLost.type || errorType === handedBack.type

/** The rules of every long-running thing: one state machine for all faces. Source: native contract, section 2. */
export const operation: Decider<OperationCommand, OperationEvent, OperationDecisionState, OperationRefusal> = {
  category: 'operation',
  streamOf: (command) => operationStream(command.id),
  creates: (command) => command.type === 'RequestOperation',
  initial: { status: 'absent' },
  isTerminal: (state) => !('request' in state) && state.status !== 'absent',
  keeps: (event) => !isOfTarget(event.type),
  evolve,
  decide,
}

function evolve(state: OperationDecisionState, event: OperationEvent): OperationDecisionState {
  if (event.type === 'OperationRequested') {
    const targets = requestedTargets(event.data)
    return {
      status: 'pending',
      request: event.data,
      attempt: 0,
      spent: 0,
      lost: 0,
      worker: null,
      steps: {},
      progress: null,
      targets,
    }
  }
  if (!('request' in state)) return state
  const targets = evolveTargets(state.targets, event)
  const ended = { attempt: state.attempt, ...(targets === null ? {} : { targets }) }
  switch (event.type) {
    case 'OperationStarted':
      return { ...live(state), status: 'running', attempt: event.data.attempt, worker: event.data.worker }
    case 'OperationProgressed': {
      const { step, phase, fraction, detail } = event.data
      if (step === undefined) return { ...state, progress: { phase, fraction, detail } }
      if (step.place !== undefined) return { ...state, targets }
      return { ...state, steps: { ...state.steps, [step.name]: step.result as JsonValue } }
    }
    case 'OperationAttemptFailed': {
      const { error, retryAt } = event.data
      return { ...live(state), ...tries(state, error.type), status: 'retrying', retryAt, worker: null, targets }
    }
    case 'OperationLabelled':
      return { ...state, labels: { ...state.labels, ...event.data.labels } }
    case 'OperationTargetsListed':
    case 'OperationTargetStarted':
    case 'OperationTargetSucceeded':
    case 'OperationTargetFailed':
      return { ...state, targets }
    case 'OperationHeld':
      return { ...state, held: event.data.admission }
    case 'OperationCancelRequested':
      return { ...live(state), status: 'cancelling', reason: event.data.reason }
    case 'OperationSucceeded':
      return { status: 'succeeded', ...ended }
    case 'OperationFailed':
      return { status: 'failed', ...ended }
    case 'OperationCancelled':
      return { status: 'cancelled', ...ended }
    case 'OperationTimedOut':
      return { status: 'timed-out', ...ended }
  }
}

/** How many tries are spent, and how many attempts lost, after one more ended. */
const tries = ({ spent, lost }: Live, errorType: string): Pick<Live, 'spent' | 'lost'> => {
  switch (errorType) {
    case handedBack.type:
      return { spent, lost }
    case workerLost.type:
      return { spent, lost: lost + 1 }
    default:
      return { spent: spent + 1, lost: 0 }
  }
}

const live = ({ request, attempt, spent, lost, worker, steps, progress, targets, held, labels }: Live): Live => ({
  request,
  attempt,
  spent,
  lost,
  worker,
  steps,
  progress,
  targets,
  held,
  labels,
})

function decide(command: OperationCommand, state: OperationDecisionState): Happened {
  if (command.type === 'RequestOperation')
    return state.status === 'absent'
      ? { events: [{ type: 'OperationRequested', data: command.request }] }
      : refuse({ reason: 'operation-exists' })
  if (state.status === 'absent') return refuse({ reason: 'unknown-operation' })
  if (!('request' in state)) return decideFinished(command, state)
  switch (command.type) {
    case 'StartAttempt':
      return start(command, state)
    case 'HoldAttempt':
      return hold(command, state)
    case 'CancelOperation':
      return cancel(command.reason, state)
    default:
      return withTargets(decideAttempt(command, state), state)
  }
}

/** An ended operation accepts no command; repeating the same outcome or request is not an error. */
function decideFinished(command: OperationCommand, state: Ended): Happened {
  const same: Partial<Record<OperationCommand['type'], OperationState>> = {
    SucceedAttempt: 'succeeded',
    FailAttempt: 'failed',
    CancelOperation: 'cancelled',
    ConfirmCancelled: 'cancelled',
    TimeOutAttempt: 'timed-out',
  }
  const again = same[command.type] === state.status && (!('attempt' in command) || command.attempt === state.attempt)
  return again ? nothing : refuse({ reason: 'already-finished', state: state.status })
}

type Unfinished = Extract<OperationDecisionState, Live>

function start(
  { worker, now, waitedAfter, admitted }: Extract<OperationCommand, { readonly type: 'StartAttempt' }>,
  state: Unfinished,
): Happened {
  switch (state.status) {
    case 'running':
      // A worker that never heard whether its start was recorded asks again, and goes on with the attempt.
      return state.worker === worker ? nothing : refuse({ reason: 'already-running', attempt: state.attempt })
    case 'cancelling':
      return refuse({ reason: 'cancel-requested' })
    case 'pending':
    case 'retrying': {
      const due = state.status === 'retrying' ? state.retryAt : state.request.runAt
      const hasWaited = state.status === 'retrying' && waitedAfter === state.attempt
      if (due !== null && !hasWaited && parseInstant(due) > now) return refuse({ reason: 'not-due', until: due })
      if (state.request.limits !== undefined && !isAdmitted(admitted, state)) return refuse({ reason: 'not-admitted' })
      const deadline = instant(now + state.request.policy.timeoutMs)
      return { events: [{ type: 'OperationStarted', data: { attempt: state.attempt + 1, worker, deadline } }] }
    }
  }
}

/** An admission is for one attempt, and counts for as long as it was not taken back. */
const isAdmitted = (admitted: Admission | undefined, { attempt, held = -1 }: Live): boolean =>
  admitted !== undefined && admitted.attempt === attempt + 1 && admitted.number > held

function hold({ attempt, admission }: Extract<OperationCommand, { readonly type: 'HoldAttempt' }>, state: Unfinished): Happened {
  const isWaiting = state.status === 'pending' || state.status === 'retrying'
  if (!isWaiting || !isAdmitted({ attempt, number: admission }, state)) return nothing
  return { events: [{ type: 'OperationHeld', data: { attempt, admission } }] }
}

function cancel(reason: string | null, state: Unfinished): Happened {
  switch (state.status) {
    case 'cancelling':
      return nothing
    case 'running':
      return { events: [{ type: 'OperationCancelRequested', data: { reason } }] }
    case 'pending':
    case 'retrying':
      return { events: [{ type: 'OperationCancelled', data: { attempt: state.attempt || null, reason } }] }
  }
}

type AttemptCommand = Exclude<Extract<OperationCommand, { readonly attempt: number }>, { readonly type: 'HoldAttempt' }>

function decideAttempt(command: AttemptCommand, state: Unfinished): Happened {
  const { attempt } = command
  const underWay = state.status === 'running' || state.status === 'cancelling'
  if (!underWay || attempt !== state.attempt) return refuse({ reason: 'attempt-superseded', attempt: state.attempt })
  const cancelled: Happened = {
    events: [{ type: 'OperationCancelled', data: { attempt, reason: state.status === 'cancelling' ? state.reason : null } }],
  }
  switch (command.type) {
    case 'ReportProgress': {
      const { phase, fraction, detail } = command
      return { events: [{ type: 'OperationProgressed', data: { attempt, phase, fraction, detail } }] }
    }
    case 'RecordStep': {
      const { phase = null, fraction = null, detail = null } = state.progress ?? {}
      const step = { name: command.name, result: command.result as never, ...command.of }
      return { events: [{ type: 'OperationProgressed', data: { attempt, phase, fraction, detail, step } }] }
    }
    case 'LabelAttempt': {
      const known = { ...state.request.labels, ...state.labels }
      const changed = Object.entries(command.labels).filter(([key, value]) => known[key] !== value)
      if (changed.length === 0) return nothing
      return { events: [{ type: 'OperationLabelled', data: { attempt, labels: Object.fromEntries(changed) } }] }
    }
    case 'ListTargets':
      return { events: listTargets(command, state.targets) }
    case 'RecordTargets':
      return { events: changeTargets(command, state.targets, state.status === 'cancelling') }
    case 'SucceedAttempt':
      return {
        events: [
          ...progressed(attempt, command.progress),
          { type: 'OperationSucceeded', data: { attempt, result: command.result as never } },
        ],
      }
    case 'ConfirmCancelled':
      return state.status === 'cancelling' ? cancelled : refuse({ reason: 'already-running', attempt })
    case 'TimeOutAttempt':
      return state.status === 'cancelling'
        ? cancelled
        : { events: [{ type: 'OperationTimedOut', data: { attempt, timeoutMs: state.request.policy.timeoutMs } }] }
    case 'FailAttempt':
      return state.status === 'cancelling'
        ? cancelled
        : { events: [...progressed(attempt, command.progress), ...fail(command, state).events] }
    case 'LoseAttempt': {
      if (state.status === 'cancelling') return cancelled
      const { whenLost, lostAttempts = defaultLostAttempts } = state.request.policy
      const error = { ...workerLost, retryable: whenLost === 'retry' }
      if (!error.retryable || state.lost + 1 >= lostAttempts)
        return { events: [{ type: 'OperationFailed', data: { attempt, error } }] }
      return { events: [{ type: 'OperationAttemptFailed', data: { attempt, error, retryAt: instant(command.now) } }] }
    }
    case 'HandBackAttempt': {
      if (state.status === 'cancelling') return cancelled
      if (state.request.policy.whenLost === 'fail')
        return { events: [{ type: 'OperationFailed', data: { attempt, error: { ...handedBack, retryable: false } } }] }
      return { events: [{ type: 'OperationAttemptFailed', data: { attempt, error: handedBack, retryAt: instant(command.now) } }] }
    }
  }
}

const withTargets = (decision: Happened, { targets, attempt }: Live): Happened =>
  'events' in decision && targets !== null ? { events: endTargets(decision.events, targets, attempt) } : decision

const progressed = (attempt: number, progress: Progress | null = null): readonly OperationEvent[] => {
  if (progress === null) return []
  const { phase, fraction, detail } = progress
  return [{ type: 'OperationProgressed', data: { attempt, phase, fraction, detail } }]
}

function fail(
  { attempt, error, now, retryAfterMs }: Extract<OperationCommand, { readonly type: 'FailAttempt' }>,
  state: Unfinished,
): Events {
  const { attempts, backoff } = state.request.policy
  const spent = state.spent + 1
  if (!error.retryable || spent >= attempts) return { events: [{ type: 'OperationFailed', data: { attempt, error } }] }
  const delay = retryAfterMs ?? retryDelayMs(backoff, spent)
  return { events: [{ type: 'OperationAttemptFailed', data: { attempt, error, retryAt: instant(now + delay) } }] }
}
