import { describe, expect, test } from 'vitest'
import { type OperationCommand, operation, workerLost } from '../../src/commands/operation.ts'
import type { OperationError, OperationEvent, OperationRequest } from '../../src/events/operation.ts'
import { given } from '../given.ts'

const id = '019ab2c4-0000-7000-8000-000000000001'
const now = Date.parse('2026-11-21T05:00:00.000Z')
const request: OperationRequest = {
  kind: 'probe',
  face: null,
  lane: null,
  priority: 100,
  runAt: null,
  input: {},
  policy: { attempts: 3, timeoutMs: 60_000, backoff: { initialMs: 100, factor: 2, maxMs: 150 }, whenLost: 'retry' },
  externalRef: null,
  parent: null,
  retryOf: null,
}
const broken: OperationError = { type: 'broken', message: 'it broke', retryable: true }
const requested: OperationEvent = { type: 'OperationRequested', data: request }
const requestedWith = (more: Partial<OperationRequest>): OperationEvent =>
  ({ ...requested, data: { ...request, ...more } }) as never
const onceOnly = requestedWith({ policy: { ...request.policy, whenLost: 'fail' } })
const started = (attempt = 1, worker = 'w1'): OperationEvent => ({
  type: 'OperationStarted',
  data: { attempt, worker, deadline: '2026-11-21T05:01:00.000Z' },
})
const attemptFailed = (attempt = 1, error = broken, retryAt = '2026-11-21T05:00:00.100Z'): OperationEvent => ({
  type: 'OperationAttemptFailed',
  data: { attempt, error, retryAt },
})
const stopped: OperationError = {
  type: 'worker-stopped',
  message: 'the worker was shut down and handed the operation back',
  retryable: true,
}
const cancelRequested: OperationEvent = { type: 'OperationCancelRequested', data: { reason: 'no need' } }
const cancelled = (attempt: number | null = 1): OperationEvent => ({
  type: 'OperationCancelled',
  data: { attempt, reason: 'no need' },
})
const succeeded: OperationEvent = { type: 'OperationSucceeded', data: { attempt: 1, result: 42 } }
const failed = (attempt = 1, error = broken): OperationEvent => ({ type: 'OperationFailed', data: { attempt, error } })
const timedOut: OperationEvent = { type: 'OperationTimedOut', data: { attempt: 1, timeoutMs: 60_000 } }

const start = (worker = 'w1', at = now): OperationCommand => ({ type: 'StartAttempt', id, worker, now: at })
const succeed = (attempt = 1): OperationCommand => ({ type: 'SucceedAttempt', id, attempt, result: 42 })
const fail = (attempt = 1, error = broken): OperationCommand => ({ type: 'FailAttempt', id, attempt, error, now })
const lose = (attempt = 1): OperationCommand => ({ type: 'LoseAttempt', id, attempt, now })
const handBack = (attempt = 1): OperationCommand => ({ type: 'HandBackAttempt', id, attempt, now })
const timeOut = (attempt = 1): OperationCommand => ({ type: 'TimeOutAttempt', id, attempt })
const confirm = (attempt = 1): OperationCommand => ({ type: 'ConfirmCancelled', id, attempt })
const cancel: OperationCommand = { type: 'CancelOperation', id, reason: 'no need' }
const progress = (attempt = 1): OperationCommand => ({
  type: 'ReportProgress',
  id,
  attempt,
  phase: 'fetch',
  fraction: 0.5,
  detail: null,
})

describe('requesting', () => {
  const ask: OperationCommand = { type: 'RequestOperation', id, request }
  test('makes the operation', () => given(operation).when(ask).then([requested]))
  test('happens once', () =>
    given(operation, [requested])
      .when(ask)
      .then({ refused: { reason: 'operation-exists' } }))
  test.each([start(), cancel, succeed(), lose()])('nothing else is taken before it: $type', (command) =>
    given(operation)
      .when(command)
      .then({ refused: { reason: 'unknown-operation' } }),
  )
})

describe('starting', () => {
  test('the first attempt, with its deadline', () => given(operation, [requested]).when(start()).then([started()]))
  test('not before its time', () => {
    const until = '2026-11-21T06:00:00.000Z'
    given(operation, [requestedWith({ runAt: until })])
      .when(start())
      .then({ refused: { reason: 'not-due', until } })
  })
  test('not while it runs elsewhere', () =>
    given(operation, [requested, started()])
      .when(start('w2'))
      .then({ refused: { reason: 'already-running', attempt: 1 } }))
  test('a worker that did not hear of its own start goes on with it', () =>
    given(operation, [requested, started()]).when(start('w1')).then([]))
  test('a retry waits for its time', () =>
    given(operation, [requested, started(), attemptFailed()])
      .when(start())
      .then({ refused: { reason: 'not-due', until: '2026-11-21T05:00:00.100Z' } }))
  test('a retry has the next number', () => {
    const later = { ...started(2), data: { attempt: 2, worker: 'w1', deadline: '2026-11-21T05:01:00.100Z' } } as OperationEvent
    given(operation, [requested, started(), attemptFailed()])
      .when(start('w1', now + 100))
      .then([later])
  })
  test('never once cancellation was asked for', () =>
    given(operation, [requested, started(), cancelRequested])
      .when(start('w2'))
      .then({ refused: { reason: 'cancel-requested' } }))
})

describe('outcomes', () => {
  const running = [requested, started()]
  test('success', () => given(operation, running).when(succeed()).then([succeeded]))
  test('a failure is tried again after the backoff', () => given(operation, running).when(fail()).then([attemptFailed()]))
  test('the backoff doubles up to its most', () =>
    given(operation, [...running, attemptFailed(), started(2)])
      .when(fail(2))
      .then([attemptFailed(2, broken, '2026-11-21T05:00:00.150Z')]))
  test('the last failure ends it', () =>
    given(operation, [...running, attemptFailed(), started(2), attemptFailed(2), started(3)])
      .when(fail(3))
      .then([failed(3)]))
  test('a final error ends it at once', () => {
    const final = { ...broken, retryable: false }
    given(operation, running)
      .when(fail(1, final))
      .then([failed(1, final)])
  })
  test('the time limit ends it', () => given(operation, running).when(timeOut()).then([timedOut]))
  test('a failure that names the time of the next try has it', () =>
    given(operation, running)
      .when({ ...fail(), retryAfterMs: 90_000 } as OperationCommand)
      .then([attemptFailed(1, broken, '2026-11-21T05:01:30.000Z')]))
  test('an attempt that was lost with its worker is followed by another one at once', () =>
    given(operation, running)
      .when(lose())
      .then([attemptFailed(1, workerLost, '2026-11-21T05:00:00.000Z')]))
  test('a lost worker ends work that must not be repeated', () =>
    given(operation, [onceOnly, started()])
      .when(lose())
      .then([failed(1, { ...workerLost, retryable: false })]))
  const lost = (count: number, from = 1) =>
    Array.from({ length: count }, (_, n) => [started(from + n), attemptFailed(from + n, workerLost)]).flat()
  test('the fifth attempt in a row that is lost ends it', () =>
    given(operation, [requested, ...lost(4), started(5)])
      .when(lose(5))
      .then([failed(5, workerLost)]))
  test('a failure in between begins the row anew, and lost attempts are no tries', () =>
    given(operation, [requested, ...lost(4), started(5), attemptFailed(5), ...lost(4, 6), started(10)])
      .when(fail(10))
      .then([attemptFailed(10, broken, '2026-11-21T05:00:00.150Z')]))
  test('the policy says how many may be lost', () =>
    given(operation, [requestedWith({ policy: { ...request.policy, lostAttempts: 1 } }), started()])
      .when(lose())
      .then([failed(1, workerLost)]))
  test('an attempt handed back does not count', () => {
    const back = [1, 2, 3, 4].flatMap((attempt) => [started(attempt), attemptFailed(attempt, stopped)])
    given(operation, [requested, ...back, started(5)])
      .when(handBack(5))
      .then([attemptFailed(5, stopped, '2026-11-21T05:00:00.000Z')])
  })
  test('work that must not be repeated is not handed back', () =>
    given(operation, [onceOnly, started()])
      .when(handBack())
      .then([failed(1, { ...stopped, retryable: false })]))
  test.each([succeed(1), fail(1), lose(1), timeOut(1), handBack(1), confirm(1), progress(1)])(
    'of a superseded attempt are refused: $type',
    (command) =>
      given(operation, [...running, attemptFailed(), started(2)])
        .when(command)
        .then({ refused: { reason: 'attempt-superseded', attempt: 2 } }),
  )
  test.each([succeed(1), fail(1), progress(1)])('between two attempts are refused: $type', (command) =>
    given(operation, [...running, attemptFailed()])
      .when(command)
      .then({ refused: { reason: 'attempt-superseded', attempt: 1 } }),
  )
})

describe('cancelling', () => {
  test('a pending one ends at once', () =>
    given(operation, [requested])
      .when(cancel)
      .then([cancelled(null)]))
  test('a retrying one ends at once', () =>
    given(operation, [requested, started(), attemptFailed()]).when(cancel).then([cancelled()]))
  test('a running one is asked to stop', () => given(operation, [requested, started()]).when(cancel).then([cancelRequested]))
  const cancelling = [requested, started(), cancelRequested]
  test('asking twice is no mistake', () => given(operation, cancelling).when(cancel).then([]))
  test.each([confirm(), fail(), lose(), handBack(), timeOut()])('however its work stops, it is cancelled: $type', (command) =>
    given(operation, cancelling).when(command).then([cancelled()]),
  )
  test('work that was done before it noticed has succeeded', () => given(operation, cancelling).when(succeed()).then([succeeded]))
  test('is not confirmed where nobody asked for it', () =>
    given(operation, [requested, started()])
      .when(confirm())
      .then({ refused: { reason: 'already-running', attempt: 1 } }))
})

describe('after the end', () => {
  const ends = [
    { end: succeeded, state: 'succeeded', again: succeed() },
    { end: failed(), state: 'failed', again: fail() },
    { end: cancelled(), state: 'cancelled', again: confirm() },
    { end: cancelled(), state: 'cancelled', again: cancel },
    { end: timedOut, state: 'timed-out', again: timeOut() },
  ] as const
  const all = [start('w2'), succeed(), fail(), lose(), handBack(), timeOut(), confirm(), progress(), cancel]
  test.each(ends)('the same again changes nothing: $state, $again.type', ({ end, again }) =>
    given(operation, [requested, started(), end]).when(again).then([]),
  )
  test.each(ends)('nothing is accepted: $state', ({ end, state }) => {
    const same = new Set(ends.filter((other) => other.end === end || other.state === state).map(({ again }) => again.type))
    for (const command of all.filter(({ type }) => !same.has(type as never)))
      given(operation, [requested, started(), end])
        .when(command)
        .then({ refused: { reason: 'already-finished', state } })
  })
  test('not even the same outcome of another attempt', () =>
    given(operation, [requested, started(), succeeded])
      .when(succeed(2))
      .then({ refused: { reason: 'already-finished', state: 'succeeded' } }))
})

describe('what is remembered', () => {
  const step = (name: string, result: number): OperationEvent => ({
    type: 'OperationProgressed',
    data: { attempt: 1, phase: null, fraction: null, detail: null, step: { name, result } },
  })
  test('steps outlive their attempt', () =>
    expect(
      given(operation, [requested, started(), step('a', 1), step('__proto__', 2), attemptFailed(), started(2)]).state(),
    ).toMatchObject({
      status: 'running',
      attempt: 2,
      spent: 1,
    }))
  const report = { phase: 'fetch', fraction: 1, detail: '3 of 3' }
  const reported: OperationEvent = { type: 'OperationProgressed', data: { attempt: 1, ...report } }
  test.each([
    { command: succeed(), outcome: succeeded },
    { command: fail(1, { ...broken, retryable: false }), outcome: failed(1, { ...broken, retryable: false }) },
  ])('the last report stands before the outcome: $command.type', ({ command, outcome }) =>
    given(operation, [requested, started()])
      .when({ ...command, progress: report } as OperationCommand)
      .then([reported, outcome]),
  )
  test('a step is recorded beside the progress', () =>
    given(operation, [
      requested,
      started(),
      { type: 'OperationProgressed', data: { attempt: 1, phase: 'p', fraction: 0.5, detail: 'd' } },
    ])
      .when({ type: 'RecordStep', id, attempt: 1, name: 'a', result: 1 })
      .then([
        {
          type: 'OperationProgressed',
          data: { attempt: 1, phase: 'p', fraction: 0.5, detail: 'd', step: { name: 'a', result: 1 } },
        },
      ]))
  test('no backoff is no wait, after any number of attempts', () => {
    const policy = { ...request.policy, attempts: 5000, backoff: { initialMs: 0, factor: 10, maxMs: 5 } }
    const many = Array.from({ length: 400 }, (_, index) => [started(index + 1), attemptFailed(index + 1)]).flat()
    given(operation, [requestedWith({ policy }), ...many, started(401)])
      .when(fail(401))
      .then([attemptFailed(401, broken, '2026-11-21T05:00:00.000Z')])
  })
})
