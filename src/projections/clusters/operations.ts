import { CheckOutcome, checkKind } from '../../commands/clusters/check.ts'
import { ConnectStep, Facts, investigateKind, investigationSteps, type KnownHost } from '../../commands/clusters/investigation.ts'
import { NodeChange, nodeStep, registerKind, unregisterKind } from '../../commands/clusters/membership.ts'
import { type OperationError, operationEvents, operationOf } from '../../events/operation.ts'
import type { JsonValue } from '../../lib/json.ts'
import { on, type Tx } from '../projection.ts'
import { endChange, moveHost, requestChange } from './changes.ts'

/** Operations of this face that have not ended, by what they are about; `registration` is that of the host that is investigated. */
export const operationSchema = [
  `CREATE TABLE works (operation TEXT PRIMARY KEY, kind TEXT NOT NULL, position TEXT NOT NULL, registration TEXT) STRICT, WITHOUT ROWID`,
]

interface Work {
  readonly operation: string
  readonly kind: string
  readonly position: string
  readonly registration: string | null
}

const others: readonly string[] = [registerKind, unregisterKind, checkKind]

/** Status and facts of hosts, nodes and changes: what operations leave behind. */
export const foldOperation = on(operationEvents, {
  OperationRequested: (event, tx) => {
    const { kind, input } = event.data
    if (kind !== investigateKind && !others.includes(kind) && !requestChange(event, tx)) return
    const operation = operationOf(event)
    const registration = kind === investigateKind ? (input as KnownHost).registration : null
    tx.run(`INSERT OR IGNORE INTO works VALUES (?, ?, ?, ?)`, operation, kind, event.position, registration)
    if (registration === null) return
    tx.run(
      `UPDATE hosts SET phase = 'investigating', failed_by = NULL, failure = NULL, failed_at = NULL, investigation = ?, last_error = NULL,
         last_step = NULL WHERE registration = ?`,
      operation,
      registration,
    )
  },
  OperationProgressed: ({ stream, recordedAt, data: { step } }, tx) => {
    const work = step && workOf(tx, stream)
    if (work) recordStep(tx, work, step, recordedAt)
  },
  OperationTargetStarted: ({ stream, data: { place } }, tx) => {
    if (workOf(tx, stream) !== undefined) moveHost(tx, operationOf({ stream }), place, 'started')
  },
  OperationTargetSucceeded: ({ stream, recordedAt, data: { place } }, tx) => {
    if (workOf(tx, stream) === undefined) return
    const registration = moveHost(tx, operationOf({ stream }), place, 'succeeded')
    if (registration !== undefined) reached(tx, registration, recordedAt)
  },
  OperationTargetFailed: ({ stream, data: { place, error } }, tx) => {
    if (workOf(tx, stream) === undefined) return
    tx.run(
      `UPDATE hosts SET last_error = ? WHERE registration = (SELECT registration FROM change_hosts WHERE operation = ? AND place = ?)`,
      JSON.stringify(error),
      operationOf({ stream }),
      place,
    )
  },
  OperationSucceeded: ({ id, stream, recordedAt, data: { result } }, tx) => {
    const work = end(tx, stream)
    if (work === undefined) return
    if (work.kind === checkKind) recordChecks(tx, work, result, id)
    else if (work.registration === null) endChange(tx, work.operation, 'finished', recordedAt)
    else tx.run(`UPDATE hosts SET phase = 'ready', checked_at = ? WHERE ${isInvestigated}`, recordedAt, ...investigated(work))
  },
  OperationFailed: ({ id, stream, recordedAt, data: { error } }, tx) => fail(tx, stream, error, id, recordedAt),
  OperationCancelled: ({ id, stream, recordedAt, data: { reason } }, tx) =>
    fail(tx, stream, { type: 'cancelled', message: reason ?? 'the operation was cancelled', retryable: true }, id, recordedAt),
  OperationTimedOut: ({ id, stream, recordedAt, data: { timeoutMs } }, tx) =>
    fail(tx, stream, { type: 'timed-out', message: `the attempt took over ${timeoutMs} ms`, retryable: true }, id, recordedAt),
})

const workOf = (tx: Tx, stream: string): Work | undefined =>
  tx.get<Work>(`SELECT operation, kind, position, registration FROM works WHERE operation = ?`, operationOf({ stream }))

const end = (tx: Tx, stream: string): Work | undefined => {
  const work = workOf(tx, stream)
  if (work !== undefined) tx.run(`DELETE FROM works WHERE operation = ?`, work.operation)
  return work
}

/** A later investigation, or another host at the address, is not its business. */
const isInvestigated = 'registration = ? AND investigation = ?'
const investigated = ({ registration, operation }: Work): readonly [string | null, string] => [registration, operation]

const recordStep = (
  tx: Tx,
  work: Work,
  { name, result }: { readonly name: string; readonly result: JsonValue },
  at: string,
): void => {
  const node = NodeChange.safeParse(result)
  if (node.success && name === nodeStep(node.data)) changeNode(tx, node.data)
  else if (work.registration === null) return
  else if (name === investigationSteps.connect) {
    const { fingerprint } = ConnectStep.parse(result)
    tx.run(`UPDATE hosts SET fingerprint = ? WHERE ${isInvestigated}`, fingerprint, ...investigated(work))
  } else if (name === investigationSteps.facts) {
    const { os, cpus, memory, space } = Facts.parse(result)
    tx.run(
      `UPDATE hosts SET phase = 'bootstrapping', os = ?, cpus = ?, memory = ?, space = ?, last_check = ?, checked_at = ?
       WHERE ${isInvestigated}`,
      ...[os, cpus, memory, space, at, at, ...investigated(work)],
    )
  } else tx.run(`UPDATE hosts SET last_step = ? WHERE ${isInvestigated}`, name, ...investigated(work))
}

/** A registration that was refused left no node where it was asked for; a removal that was refused left what there was. */
const changeNode = (tx: Tx, { registration, manager, wanted, done }: NodeChange): void => {
  if (wanted === 'registered' && done) tx.run(`UPDATE hosts SET node_manager = ? WHERE registration = ?`, manager, registration)
  else if (wanted === 'registered' || done)
    tx.run(`UPDATE hosts SET node_manager = NULL WHERE registration = ? AND node_manager = ?`, registration, manager)
}

const reached = (tx: Tx, registration: string, at: string): void =>
  tx.run(`UPDATE hosts SET last_check = ?1, checked_at = ?1 WHERE registration = ?2`, at, registration)

/** Hosts that are being investigated, or whose investigation has failed, are left as they are; so is another host at an address. */
const recordChecks = (tx: Tx, { position }: Work, result: JsonValue, event: string): void => {
  for (const check of CheckOutcome.parse(result).hosts) {
    const isMeant = `address = ? AND position < ? AND (phase = 'ready' OR failed_by = 'check')`
    const meant = [check.address, position]
    if (check.reached)
      tx.run(
        `UPDATE hosts SET phase = 'ready', failed_by = NULL, failure = NULL, failed_at = NULL, last_check = ?1, checked_at = ?1
         WHERE ${isMeant}`,
        check.at,
        ...meant,
      )
    else
      tx.run(
        `UPDATE hosts SET phase = 'failed', failed_by = 'check', failure = ifnull(failure, ?), failed_at = ifnull(failed_at, ?),
           checked_at = ? WHERE ${isMeant}`,
        ...[event, check.at, check.at, ...meant],
      )
  }
}

const fail = (tx: Tx, stream: string, error: OperationError, event: string, at: string): void => {
  const work = end(tx, stream)
  if (work === undefined) return
  if (work.registration === null) endChange(tx, work.operation, 'failed', at)
  else
    tx.run(
      `UPDATE hosts SET phase = 'failed', failed_by = 'investigation', failure = ?, failed_at = ?, last_error = ? WHERE ${isInvestigated}`,
      ...[event, at, JSON.stringify(error), ...investigated(work)],
    )
}
