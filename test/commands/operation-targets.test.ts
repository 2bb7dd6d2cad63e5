import { describe, expect, test } from 'vitest'
import { type OperationCommand, operation } from '../../src/commands/operation.ts'
import type { TargetChange } from '../../src/commands/targets.ts'
import type { OperationError, OperationEvent, OperationRequest } from '../../src/events/operation.ts'
import { given } from '../given.ts'

const id = '019ab2c4-0000-7000-8000-000000000001'
const now = Date.parse('2026-11-21T05:00:00.000Z')
const request: OperationRequest = {
  kind: 'fan-out',
  face: null,
  lane: null,
  priority: 100,
  runAt: null,
  input: { hosts: ['a', 'b', 'c'] },
  policy: { attempts: 3, timeoutMs: 60_000, backoff: { initialMs: 100, factor: 2, maxMs: 150 }, whenLost: 'retry' },
  externalRef: null,
  parent: null,
  retryOf: null,
}
const requestedWith = (targets: OperationRequest['targets']): OperationEvent => ({
  type: 'OperationRequested',
  data: { ...request, ...(targets && { targets }) },
})
const requested = requestedWith({ from: '/hosts' })
const started = (attempt = 1): OperationEvent => ({
  type: 'OperationStarted',
  data: { attempt, worker: 'w1', deadline: '2026-11-21T05:01:00.000Z' },
})
const broken: OperationError = { type: 'broken', message: 'it broke', retryable: true }
const cancelRequested: OperationEvent = { type: 'OperationCancelRequested', data: { reason: null } }

const hosts = ['a', 'b', 'c']
const of = (place: number) => ({ target: hosts[place] as string, place })
const starts = (place: number, details?: number): TargetChange => ({
  type: 'OperationTargetStarted',
  data: { ...of(place), ...(details === undefined ? {} : { details }) },
})
const succeeds = (place: number): TargetChange => ({ type: 'OperationTargetSucceeded', data: { ...of(place), result: place } })
const fails = (place: number, error = broken): TargetChange => ({ type: 'OperationTargetFailed', data: { ...of(place), error } })
const event = (change: TargetChange, attempt = 1): OperationEvent =>
  ({ type: change.type, data: { attempt, ...change.data } }) as OperationEvent
const record = (changes: readonly TargetChange[], attempt = 1): OperationCommand => ({
  type: 'RecordTargets',
  id,
  attempt,
  changes,
})
const lost: OperationEvent = {
  type: 'OperationAttemptFailed',
  data: { attempt: 1, error: { ...broken, type: 'worker-lost' }, retryAt: '2026-11-21T05:00:00.000Z' },
}
const targetsOf = (history: readonly OperationEvent[]) => {
  const state = given(operation, history).state()
  return 'targets' in state ? state.targets : undefined
}

describe('the targets of a request', () => {
  test.each([
    ['names', { names: ['x', 'y'] }, '..'],
    ['a place in the input', { from: '/hosts' }, '...'],
    ['some of a place in the input', { from: '/hosts', at: [0, 2] }, '..'],
    ['a place that the input has not', { from: '/none' }, ''],
  ] as const)('%s', (_, targets, marks) => {
    expect(targetsOf([requestedWith(targets as OperationRequest['targets'])])).toMatchObject({ marks, isListed: true })
  })
  test('none', () => expect(targetsOf([requestedWith(undefined)])).toBeNull())
})

describe('recording what becomes of targets', () => {
  test('starts and ends, in the order of the call', () =>
    given(operation, [requested, started(), event(starts(0))])
      .when(record([succeeds(0), starts(1)]))
      .then([event(succeeds(0)), event(starts(1))]))
  test('nothing that happened before happens again', () =>
    given(operation, [requested, started(), event(starts(0)), event(succeeds(0)), event(starts(1))])
      .when(record([starts(0), succeeds(0), fails(0), starts(1), fails(2)]))
      .then([]))
  test('one that has failed may start again', () =>
    given(operation, [requested, started(), event(starts(0)), event(fails(0))])
      .when(record([starts(0)]))
      .then([event(starts(0))]))
  test('a place that there is not is none', () =>
    given(operation, [requested, started()])
      .when(record([{ type: 'OperationTargetStarted', data: { target: 'd', place: 3 } }]))
      .then([]))
  test('nothing starts while it is being cancelled; what ends, ends', () =>
    given(operation, [requested, started(), event(starts(0)), cancelRequested])
      .when(record([succeeds(0), starts(1)]))
      .then([event(succeeds(0))]))
  test('an attempt that was superseded records nothing', () =>
    given(operation, [requested, started(), lost, started(2)])
      .when(record([starts(0)]))
      .then({ refused: { reason: 'attempt-superseded', attempt: 2 } }))
})

describe('targets that run while the operation ends fail for the same reason', () => {
  const running = [requested, started(), event(starts(0)), event(succeeds(0)), event(starts(1)), event(starts(2))]
  const failures = (error: OperationError) => [event(fails(1, error)), event(fails(2, error))]

  test('cancelled, whoever says so', () => {
    const error = { type: 'cancelled', message: 'the operation was cancelled while the target ran', retryable: true }
    const cancelled: OperationEvent = { type: 'OperationCancelled', data: { attempt: 1, reason: null } }
    for (const command of [
      { type: 'ConfirmCancelled', id, attempt: 1 },
      { type: 'LoseAttempt', id, attempt: 1, now },
    ] as const)
      given(operation, [...running, cancelRequested])
        .when(command)
        .then([...failures(error), cancelled])
  })
  test('timed out', () =>
    given(operation, running)
      .when({ type: 'TimeOutAttempt', id, attempt: 1 })
      .then([
        ...failures({ type: 'timed-out', message: 'the attempt ran over its time limit while the target ran', retryable: true }),
        { type: 'OperationTimedOut', data: { attempt: 1, timeoutMs: 60_000 } },
      ]))
  test('failed for good', () => {
    const error = { ...broken, retryable: false }
    given(operation, running)
      .when({ type: 'FailAttempt', id, attempt: 1, error, now })
      .then([...failures(error), { type: 'OperationFailed', data: { attempt: 1, error } }])
  })
  test('not where another attempt follows: they run again in that one', () => {
    given(operation, running)
      .when({ type: 'FailAttempt', id, attempt: 1, error: broken, now })
      .then([{ type: 'OperationAttemptFailed', data: { attempt: 1, error: broken, retryAt: '2026-11-21T05:00:00.100Z' } }])
    expect(targetsOf([...running, lost])?.marks).toBe('s..')
  })
})

describe('what is known of targets', () => {
  const step = (name: string, result: number, place?: number): OperationEvent => ({
    type: 'OperationProgressed',
    data: {
      ...{ attempt: 1, phase: null, fraction: null, detail: null },
      step: { name, result, ...(place === undefined ? {} : of(place)) },
    },
  })

  test('a byte each, after the end too', () => {
    const history = [requested, started(), event(starts(0)), event(succeeds(0)), event(starts(1)), event(fails(1))]
    expect(targetsOf(history)?.marks).toBe('sf.')
    expect(targetsOf([...history, { type: 'OperationFailed', data: { attempt: 1, error: broken } }])?.marks).toBe('sf.')
  })
  test('details and steps of one that was interrupted; the first details stay', () => {
    const history = [requested, started(), event(starts(0, 1)), step('boot', 5, 0), lost, started(2), event(starts(0, 2), 2)]
    expect(targetsOf(history)?.open).toEqual({ 0: { target: 'a', details: 1, steps: { boot: 5 } } })
    expect(targetsOf([...history, event(fails(0), 2)])?.open).toEqual({})
  })
  test('a step of a target is none of the operation', () => {
    const state = given(operation, [requested, started(), event(starts(0)), step('boot', 5, 0), step('whole', 6)]).state()
    expect(state).toMatchObject({ steps: { whole: 6 }, targets: { open: { 0: { steps: { boot: 5 } } } } })
  })
  test('until when the next one has to wait', () => {
    const until = '2026-11-21T05:00:05.000Z'
    const ended = { ...event(succeeds(0)), data: { attempt: 1, ...of(0), result: null, pauseUntil: until } } as OperationEvent
    expect(targetsOf([requested, started(), event(starts(0)), ended])?.pauseUntil).toBe(until)
  })
})

describe('names that the work lists', () => {
  const list = (from: number, names: readonly string[], more: boolean): OperationCommand => ({
    ...{ type: 'ListTargets', id, attempt: 1 },
    ...{ from, names, more },
  })
  const listed = (from: number, names: string[], more: boolean): OperationEvent => ({
    type: 'OperationTargetsListed',
    data: { attempt: 1, from, names, more },
  })
  const begun = [requestedWith(undefined), started()]

  test('come in parts', () => {
    given(operation, [...begun, listed(0, ['a'], true)])
      .when(list(1, ['b'], false))
      .then([listed(1, ['b'], false)])
    expect(targetsOf([...begun, listed(0, ['a'], true), listed(1, ['b'], false)])).toMatchObject({ marks: '..', isListed: true })
  })
  test('no part comes twice, and none after the last', () => {
    for (const history of [
      [listed(0, ['a'], true), listed(1, ['b'], true)],
      [listed(0, ['a'], true), listed(1, ['b'], false)],
    ])
      given(operation, [...begun, ...history])
        .when(list(1, ['b'], true))
        .then([])
  })
  test('an attempt that finds half a list begins anew', () =>
    expect(targetsOf([...begun, listed(0, ['a', 'b'], true), lost, started(2), listed(0, ['c'], false)])).toMatchObject({
      marks: '.',
      isListed: true,
    }))
})
