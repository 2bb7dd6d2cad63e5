import { expect, test } from 'vitest'
import { actionKind } from '../../../src/commands/robot/task.ts'
import { serviceLane } from '../../../src/commands/robot/template.ts'
import { servicePrefix } from '../../../src/events/robot/service.ts'
import type { JsonObject } from '../../../src/lib/json.ts'
import { operationQueries, operations } from '../../../src/projections/operations/operations.ts'
import { type RobotService, robotServices, serviceQueries } from '../../../src/projections/robot/services.ts'
import { acceptedTask, type TaskProfile, tasksOf } from '../../../src/projections/robot/tasks.ts'
import type { EventLog, NewEvent } from '../../../src/stores/event-log.ts'
import { append, event, openLog, openViews, requested, standingClock, started, succeeded } from '../harness.ts'

const later = '2030-01-01T00:00:00.000Z'
const failedAttempt = (attempt: number, type: string, details?: JsonObject): NewEvent =>
  event('OperationAttemptFailed', {
    ...{ attempt, retryAt: later },
    error: { type, message: 'no', retryable: true, ...(details === undefined ? {} : { details }) },
  })
const failed = (attempt: number, type: string, details?: JsonObject): NewEvent =>
  event('OperationFailed', {
    attempt,
    error: { type, message: 'why', retryable: false, ...(details === undefined ? {} : { details }) },
  })
const cancelled = (attempt: number | null): NewEvent => event('OperationCancelled', { attempt, reason: null })
const task = (log: EventLog, id: string, args: JsonObject, priority: number, ...events: readonly NewEvent[]): Promise<string> =>
  append(
    log,
    id,
    requested({ kind: actionKind, lane: serviceLane('g'), priority, input: { service: 'g', action: 'start', args } as never }),
    ...events,
  )

const clock = standingClock(1_000_900)
/** A service whose tasks are as `act` makes them. */
const withTasks = async (act: (log: EventLog, at: (ms: number) => void) => Promise<string>, profile: TaskProfile = 'seed') => {
  clock.set(1_000_900)
  const log = await openLog(clock)
  const templateUid = 'host/acme/one/vm/1.0.0'
  const created = { name: 'one', templateUid, commit: 'a', data: {}, public: false, origin: 'api' }
  await log.append(`${servicePrefix}g`, 'any', [event('ServiceCreated', created)])
  const position = await act(log, clock.set)
  const views = await openViews(log, [robotServices, operations], ':memory:', clock)
  await views.reached(position, { timeoutMs: 20_000 })
  const services = serviceQueries(views.views('robot-services'))
  const read = operationQueries({ views: views.views('operations'), leases: undefined, clock })
  return tasksOf({ services, operations: read }, services.byGuid('g') as RobotService, profile)
}
/** One task. */
const withTask = async (events: readonly NewEvent[], profile?: TaskProfile) =>
  (await withTasks((log) => task(log, 't', {}, 10, ...events), profile)).document('t')

const one = {
  ...{ action_name: 'start', template_name: 'vm', service_name: 'one', service_guid: 'g', guid: 't', created: 1000 },
}

test.each([
  ['pending', [], { state: 'new' }],
  ['running', [started(1)], { state: 'running' }],
  ['cancelling', [started(1), event('OperationCancelRequested', { reason: null })], { state: 'running' }],
  ['lost', [started(1), failedAttempt(1, 'worker-lost')], { state: 'new' }],
  ['handed back', [started(1), failedAttempt(1, 'worker-stopped')], { state: 'new' }],
  ['succeeded', [started(1), succeeded(1, { result: { a: [1.5] } })], { state: 'ok', duration: 0, result: '{"a":[1.5]}' }],
  ['succeeded without a result', [started(1), succeeded(1)], { state: 'ok', duration: 0 }],
  ['running again', [started(1), failedAttempt(1, 'action-failed', { eco: { guid: 'e' } }), started(2)], { state: 'running' }],
  [
    'retrying',
    [started(1), failedAttempt(1, 'action-failed', { eco: { guid: 'e' }, data: {} })],
    { state: 'error', eco: { guid: 'e' } },
  ],
  [
    'failed',
    [started(1), failed(1, 'action-failed', { eco: { guid: 'e' } })],
    { state: 'error', duration: 0, eco: { guid: 'e' } },
  ],
] as const)('a task that is %s', async (_state, events, shown) => expect(await withTask(events)).toEqual({ ...one, ...shown }))

test('later clients are told that a task runs while it waits for its next try', async () =>
  expect(await withTask([started(1), failedAttempt(1, 'action-failed', { eco: { guid: 'e' } })], '0.9')).toMatchObject({
    state: 'running',
  }))

const cancel = cancelled(1)
const lost = failed(6, 'worker-lost')
const overdue = event('OperationTimedOut', { attempt: 2, timeoutMs: 1 })
const crash = failed(3, 'work-crashed')
test.each([
  ['cancelled', [started(1), cancel], { exceptionclassname: 'TaskCanceled', errormessage: 'task canceled', guid: cancel.id }],
  [
    'cancelled between two tries',
    [started(1), failedAttempt(1, 'action-failed', { eco: { guid: 'e' } }), cancel],
    { exceptionclassname: 'TaskCanceled', occurrences: 1 },
  ],
  [
    'lost for good',
    [started(6), lost],
    {
      ...{ exceptionclassname: 'InterruptedError', errormessage: 'interrupted by a restart of the server' },
      ...{ guid: lost.id, occurrences: 6 },
    },
  ],
  ['handed back', [started(1), failed(1, 'worker-stopped')], { exceptionclassname: 'InterruptedError' }],
  [
    'ended by the backstop',
    [started(2), overdue],
    {
      ...{ exceptionclassname: 'TimeoutError', errormessage: 'Function call timed out', guid: overdue.id, occurrences: 2 },
      data: { timed_out: true, attempt: 2, exit_code: null, signal: null },
    },
  ],
  ['crashed', [started(3), crash], { errormessage: 'why', guid: crash.id, occurrences: 3 }],
] as const)('what was %s has an eco that is made of the event', async (_how, events, eco) => {
  const shown = await withTask(events)
  expect(shown).toMatchObject({ state: 'error', eco: { funcname: 'start', pid: 0, epoch: 1000, ...eco } })
})

test('a task that is cancelled before its start took no time', async () => {
  const tasks = await withTasks(async (log, at) => {
    await task(log, 't', {}, 10)
    at(1_009_000)
    return append(log, 't', cancelled(null))
  })
  expect(tasks.document('t')).toMatchObject({ state: 'error', duration: 0, eco: { occurrences: 1, epoch: 1009 } })
})

test('a duration is that from the first start to the end, and never negative', async () => {
  const ended = (began: number, end: number) =>
    withTasks(async (log, at) => {
      at(began)
      await task(log, 't', {}, 10, started(1))
      at(began + 20)
      await append(log, 't', failedAttempt(1, 'action-failed', { eco: {} }), started(2))
      at(end)
      return append(log, 't', succeeded(2))
    })
  expect((await ended(5_000, 7_250)).document('t')).toMatchObject({ duration: 2.25, created: 5 })
  expect((await ended(5_000, 3_000)).document('t')).toMatchObject({ duration: 0 })
})

test('arguments are shown with their secrets masked; as it was accepted a task is new', async () => {
  const tasks = await withTasks((log) =>
    task(log, 't', { a: { $sealed: 'x', subject: 'robotService-g' }, b: 0 }, 10, started(1), succeeded(1)),
  )
  expect(tasks.document('t')?.args).toEqual({ a: '***', b: 0 })
  expect(tasks.accepted('t')).toEqual({ ...one, state: 'new', args: { a: '***', b: 0 } })
  expect(tasks.document('other')).toBeUndefined()
})

test('a task that the views do not know yet is shown as they will show it', async () => {
  const service = { guid: 'g', name: 'one', templateUid: 'host/acme/one/vm/1.0.0' } as RobotService
  const input = { service: 'g', action: 'start', args: { b: 0 } }
  const tasks = await withTasks((log) => task(log, 't', input.args, 10))
  expect(acceptedTask({ id: 't', input, requestedAt: '1970-01-01T00:16:40.999Z' }, service)).toEqual(tasks.accepted('t'))
})

test('the queue has the holder of the lane first, then what waits by priority and acceptance', async () => {
  const tasks = await withTasks(async (log) => {
    for (const [id, priority] of Object.entries({ normal1: 10, recurring: 5, normal2: 10, system: 0 }))
      await task(log, id, {}, priority)
    await append(log, 'normal1', started(1), failedAttempt(1, 'worker-lost'))
    return (await log.append(`lane-${serviceLane('g')}`, 'any', [event('LaneAcquired', { operation: 'normal1' })])).position
  })
  expect(tasks.queue()).toEqual(['normal1', 'system', 'recurring', 'normal2'])
})

test('what has ended stands in the order of its seconds, then of its acceptance', async () => {
  const tasks = await withTasks(async (log, at) => {
    let position = ''
    for (const [id, ms] of Object.entries({ late: 9_000, early: 3_900, same: 3_100 })) {
      at(ms)
      position = await task(log, id, {}, 10, started(1), succeeded(1))
    }
    return position
  })
  expect([...tasks.ended()]).toEqual(['early', 'same', 'late'])
  expect(tasks.queue()).toEqual([])
})
