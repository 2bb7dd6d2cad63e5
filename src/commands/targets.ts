import type { OperationError, OperationEvent, OperationRequest } from '../events/operation.ts'
import type { JsonValue } from '../lib/json.ts'
import { valueAt } from '../lib/json-pointer.ts'
import type { EventLog } from '../stores/event-log.ts'

/**
 * How far an operation is with its targets; a byte for each, because thousands of operations are kept in memory. The names stand in the request or
 * in the log. Source: native contract, section 10.
 */
export interface Targets {
  /** A character for each target, in order: `.` not started, `r` runs, `s` succeeded, `f` failed. */
  readonly marks: string
  /** Whether all targets are known: those that the work names come in parts. */
  readonly isListed: boolean
  /** By place: those that have started and not ended, also where their attempt is over. */
  readonly open: Readonly<Record<string, OpenTarget>>
  /** When the next one may start, RFC 3339; null where nobody has to wait. */
  readonly pauseUntil: string | null
}

/** What a later attempt is told of a target that had begun. */
export interface OpenTarget {
  readonly target: string
  readonly details: JsonValue
  readonly steps: Readonly<Record<string, JsonValue>>
}

type TargetType = 'OperationTargetStarted' | 'OperationTargetSucceeded' | 'OperationTargetFailed'
type TargetEvent = Extract<OperationEvent, { type: TargetType }>
/** What became of a target in an attempt. */
export type TargetChange = {
  [Type in TargetType]: { readonly type: Type; readonly data: Omit<Extract<OperationEvent, { type: Type }>['data'], 'attempt'> }
}[TargetType]

const none: Targets = { marks: '', isListed: false, open: {}, pauseUntil: null }

const marksOf: Readonly<Record<TargetType, string>> = {
  OperationTargetStarted: 'r',
  OperationTargetSucceeded: 's',
  OperationTargetFailed: 'f',
}

/** The names that a request fixes, in order; undefined where it leaves them to the work. */
export const requestedNames = ({
  targets,
  input,
}: Pick<OperationRequest, 'targets' | 'input'>): readonly string[] | undefined => {
  if (targets === undefined) return undefined
  if ('names' in targets) return targets.names
  const found = valueAt(input as JsonValue, targets.from)
  const all = (Array.isArray(found) ? found : []).map(String)
  return targets.at === undefined ? all : targets.at.flatMap((place) => all[place] ?? [])
}

/** The targets of an operation that was just requested; null where it has none yet. */
export const requestedTargets = (request: OperationRequest): Targets | null => {
  const names = requestedNames(request)
  return names === undefined ? null : { ...none, marks: '.'.repeat(names.length), isListed: true }
}

export const evolveTargets = (targets: Targets | null, event: OperationEvent): Targets | null => {
  switch (event.type) {
    case 'OperationTargetsListed': {
      const { from, names, more } = event.data
      const before = from === 0 ? '' : (targets?.marks ?? '')
      return { ...none, marks: before + '.'.repeat(names.length), isListed: !more }
    }
    case 'OperationAttemptFailed':
      return targets && { ...targets, marks: targets.marks.replaceAll('r', '.') }
    case 'OperationProgressed':
      return targets && recorded(targets, event.data.step)
    case 'OperationTargetStarted':
    case 'OperationTargetSucceeded':
    case 'OperationTargetFailed':
      return targets && moved(targets, event)
    default:
      return targets
  }
}

const moved = ({ marks, open, ...targets }: Targets, event: TargetEvent): Targets => {
  const { place, target } = event.data
  const { [place]: current = { target, details: null, steps: {} }, ...others } = open
  const changed = marks.slice(0, place) + marksOf[event.type] + marks.slice(place + 1)
  if (event.type !== 'OperationTargetStarted')
    return { ...targets, marks: changed, open: others, pauseUntil: event.data.pauseUntil ?? targets.pauseUntil }
  const details = current.details ?? ((event.data.details ?? null) as JsonValue)
  return { ...targets, marks: changed, open: { ...others, [place]: { ...current, details } } }
}

const recorded = (targets: Targets, step: Extract<OperationEvent, { type: 'OperationProgressed' }>['data']['step']): Targets => {
  const current = step?.place === undefined ? undefined : targets.open[step.place]
  if (step?.place === undefined || current === undefined) return targets
  const steps = { ...current.steps, [step.name]: step.result as JsonValue }
  return { ...targets, open: { ...targets.open, [step.place]: { ...current, steps } } }
}

/** A part of a list of names; `from` is the place of the first one. */
export interface ListedTargets {
  readonly from: number
  readonly names: readonly string[]
  /** Whether another part follows. */
  readonly more: boolean
}

/** The part of a list that continues what is known, so that none is listed twice. */
export const listTargets = (
  { attempt, from, names, more }: ListedTargets & { readonly attempt: number },
  targets: Targets | null,
): readonly OperationEvent[] => {
  if (targets?.isListed || (from > 0 && from !== targets?.marks.length)) return []
  return [{ type: 'OperationTargetsListed', data: { attempt, from, names: [...names], more } }]
}

/** Those of the changes that can happen: a repeated one cannot. Nothing starts while the operation is being cancelled. */
export const changeTargets = (
  { attempt, changes }: { readonly attempt: number; readonly changes: readonly TargetChange[] },
  targets: Targets | null,
  isCancelling: boolean,
): readonly OperationEvent[] => {
  const marks = new Map<number, string>()
  return changes.flatMap((change) => {
    const { place } = change.data
    const mark = marks.get(place) ?? targets?.marks[place]
    const starts = change.type === 'OperationTargetStarted'
    if (starts ? isCancelling || (mark !== '.' && mark !== 'f') : mark !== 'r') return []
    marks.set(place, marksOf[change.type])
    return [{ type: change.type, data: { attempt, ...change.data } } as OperationEvent]
  })
}

/** Targets that run while the operation ends have failed for the same reason; that is said before its end. */
export const endTargets = (
  events: readonly OperationEvent[],
  { marks, open }: Targets,
  attempt: number,
): readonly OperationEvent[] => {
  const last = events.at(-1)
  const error = last && errorOfEnd(last)
  if (last === undefined || error === undefined) return events
  const failures = Object.entries(open).flatMap(([key, { target }]): readonly OperationEvent[] => {
    const place = Number(key)
    return marks[place] === 'r' ? [{ type: 'OperationTargetFailed', data: { attempt, target, place, error } }] : []
  })
  return [...events.slice(0, -1), ...failures, last]
}

/** Undefined where the operation goes on. */
const errorOfEnd = (event: OperationEvent): OperationError | undefined => {
  switch (event.type) {
    case 'OperationFailed':
      return event.data.error
    case 'OperationCancelled':
      return { type: 'cancelled', message: 'the operation was cancelled while the target ran', retryable: true }
    case 'OperationTimedOut':
      return { type: 'timed-out', message: 'the attempt ran over its time limit while the target ran', retryable: true }
    case 'OperationSucceeded':
      return { type: 'unfinished', message: 'the operation ended while the target ran', retryable: true }
  }
  return undefined
}

/** Whether it is one of the events of which a stream may hold tens of thousands; the state keeps nothing of their data. */
export const isOfTarget = (type: OperationEvent['type']): boolean => type.startsWith('OperationTarget')

/** The places of the targets that have not succeeded. */
export const unfinishedPlaces = ({ marks }: Targets): readonly number[] =>
  Array.from(marks, (mark, place) => (mark === 's' ? -1 : place)).filter((place) => place >= 0)

/** The names that an attempt has listed in the operation's stream. */
export const listedNames = async (log: EventLog, stream: string): Promise<readonly string[]> => {
  let names: readonly string[] = []
  for await (const { type, data } of log.readStream(stream)) {
    if (type !== 'OperationTargetsListed') continue
    const part = data as unknown as ListedTargets
    names = part.from === 0 ? part.names : [...names, ...part.names]
    if (!part.more) break
  }
  return names
}

/** Why a value does not name targets; undefined where it does. */
export const faultOfNames = (value: unknown): string | undefined => {
  if (!Array.isArray(value) || value.some((name) => typeof name !== 'string')) return 'an array of texts'
  return new Set(value).size === value.length ? undefined : 'each text once'
}
