import type { Actor } from '../../events/define.ts'
import type { OperationError, OperationState } from '../../events/operation.ts'
import { instant } from '../../lib/clock.ts'
import type { JsonValue } from '../../lib/json.ts'
import type { OperationRow } from './operation-row.ts'
import { shown, shownText } from './shown-json.ts'
import { type TargetCounts, targetCounts } from './targets.ts'
import type { WaitingFor } from './waiting-for.ts'

export interface OperationProgress {
  readonly fraction: number | null
  readonly phase: string | null
  readonly detail: string | null
  readonly at: string
}

/** An operation as the native API shows it. Source: native contract, section 2. */
export interface OperationResource {
  readonly id: string
  readonly kind: string
  readonly face: string | null
  readonly lane: string | null
  readonly state: OperationState
  readonly attempt: number
  readonly maxAttempts: number
  readonly requestedAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly requestedBy: Actor
  readonly worker: string | null
  readonly progress: OperationProgress | null
  readonly waitingFor: WaitingFor | null
  readonly input: JsonValue
  readonly result: JsonValue
  readonly error: OperationError | null
  readonly labels: Readonly<Record<string, string>>
  readonly limits: readonly string[]
  /** The fan-out of an operation over targets; null where it has none. */
  readonly targets: TargetCounts | null
  readonly schedule: string | null
  readonly slot: string | null
  readonly correlationId: string
  readonly parent: string | null
  readonly retryOf: string | null
  readonly revision: number
  readonly position: string
}

/** Longer inputs and results are parsed when they are asked for: a megabyte takes 30 to 100 ms to parse and to write again. */
const longText = 64 * 1024
/** The JSON of resources whose input or result is long. */
const longTexts = new WeakMap<OperationResource, () => string>()

/** What the world sees of a row. */
export const operationResource = (row: OperationRow, waitingFor: WaitingFor | null): OperationResource =>
  row.input.length + (row.result?.length ?? 0) > longText ? longResource(row, waitingFor) : shortResource(row, waitingFor)

/** What `JSON.stringify` gives for a resource; long inputs and results are taken over as they are stored. */
export const operationText = (resource: OperationResource): string => longTexts.get(resource)?.() ?? JSON.stringify(resource)

const emptyMembers = '"input":null,"result":null,'

const longResource = (row: OperationRow, waitingFor: WaitingFor | null): OperationResource => {
  const short = shortResource({ ...row, input: 'null', result: null }, waitingFor)
  const input = lazily(() => shown(row.input))
  const result = lazily(() => orNull(row.result, shown))
  const resource = Object.defineProperties({ ...short }, { input, result })
  longTexts.set(resource, () => {
    // No member before these two holds an object with members of these names, and within texts quotes are escaped.
    const text = JSON.stringify(short)
    const at = text.indexOf(emptyMembers)
    const members = `"input":${shownText(row.input)},"result":${orNull(row.result, shownText)},`
    return text.slice(0, at) + members + text.slice(at + emptyMembers.length)
  })
  return resource
}

const lazily = <Value>(make: () => Value): PropertyDescriptor => {
  let made: { readonly value: Value } | undefined
  const get = (): Value => {
    made ??= { value: make() }
    return made.value
  }
  return { enumerable: true, get }
}

const shortResource = (row: OperationRow, waitingFor: WaitingFor | null): OperationResource => ({
  id: row.id,
  kind: row.kind,
  face: row.face,
  lane: row.lane,
  state: row.state,
  attempt: row.attempt,
  maxAttempts: row.max_attempts,
  requestedAt: instant(row.requested_at),
  startedAt: orNull(row.started_at, instant),
  finishedAt: orNull(row.finished_at, instant),
  requestedBy: JSON.parse(row.requested_by),
  worker: row.worker,
  progress: orNull(row.progress, JSON.parse),
  waitingFor,
  input: shown(row.input),
  result: orNull(row.result, shown),
  error: orNull(row.error, shown) as OperationError | null,
  labels: row.labels === null ? {} : JSON.parse(row.labels),
  limits: row.limits === null ? [] : JSON.parse(row.limits),
  targets: targetCounts(row),
  schedule: row.schedule,
  slot: row.slot,
  correlationId: row.correlation_id,
  parent: row.parent,
  retryOf: row.retry_of,
  revision: row.revision,
  position: row.position,
})

const orNull = <Value, Shown>(value: Value | null, show: (value: Value) => Shown): Shown | null =>
  value === null ? null : show(value)
