import { expect, test } from 'vitest'
import { deleteKind, upgradeKind, validateKind } from '../../../src/commands/robot/lifecycle.ts'
import { actionKind } from '../../../src/commands/robot/task.ts'
import { servicePrefix } from '../../../src/events/robot/service.ts'
import type { JsonObject } from '../../../src/lib/json.ts'
import { robotServices, serviceQueries } from '../../../src/projections/robot/services.ts'
import type { EventLog, NewEvent } from '../../../src/stores/event-log.ts'
import { append, attemptFailed, event, openLog, openViews, requested, started, succeeded } from '../harness.ts'

const uid = (name: string, version = '1.0.0'): string => `host/acme/one/${name}/${version}`
const created = (more: JsonObject = {}): NewEvent =>
  event('ServiceCreated', {
    ...{ name: 'one', templateUid: uid('vm'), commit: 'a', data: { size: 1 }, public: false, origin: 'api' },
    ...more,
  })
const failedAttempt = (attempt: number, details: JsonObject, type = 'program-failed'): NewEvent =>
  event('OperationAttemptFailed', {
    attempt,
    error: { type, message: 'no', retryable: true, details },
    retryAt: '2030-01-01T00:00:00.000Z',
  })
const failed = (attempt: number, details: JsonObject): NewEvent =>
  event('OperationFailed', { attempt, error: { type: 'program-failed', message: 'no', retryable: false, details } })
const cancelled = event('OperationCancelled', { attempt: 1, reason: null })

/** Appends in this order, and answers what the view makes of it. */
const after = async (...steps: readonly ((log: EventLog) => Promise<string>)[]) => {
  const log = await openLog()
  let position = ''
  for (const step of steps) position = await step(log)
  const views = await openViews(log, [robotServices])
  await views.reached(position, { timeoutMs: 20_000 })
  return serviceQueries(views.views('robot-services'))
}
const service =
  (guid: string, ...events: NewEvent[]) =>
  async (log: EventLog): Promise<string> =>
    (await log.append(`${servicePrefix}${guid}`, 'any', events)).position
const operation =
  (id: string, kind: string, of: string, ...events: NewEvent[]) =>
  (log: EventLog): Promise<string> =>
    append(log, id, requested({ kind, input: { service: of } }), ...events)
const more =
  (id: string, ...events: NewEvent[]) =>
  (log: EventLog): Promise<string> =>
    append(log, id, ...events)

test('a service is as it was created, and as what its tasks have left behind in the order of the log', async () => {
  const left = { eco: {}, data: { size: null, kept: { a: 1, b: null } }, state: [{ category: 'net', tag: 'up', state: 'error' }] }
  const services = await after(
    service('g', created({ public: true })),
    operation('t1', actionKind, 'g', started(1), failedAttempt(1, left)),
    more('t1', started(2), failed(2, { eco: {}, data: { kept: { c: false } } })),
    operation('t2', actionKind, 'g', started(1), succeeded(1, { result: 0, members: { kept: null } })),
    operation('t3', actionKind, 'g', started(1), succeeded(1, { state: [{ category: 'net', tag: 'up', state: 'ok' }] })),
  )
  expect(services.byGuid('g')).toEqual({
    ...{ guid: 'g', name: 'one', templateUid: uid('vm'), commit: 'a', public: true, origin: 'api' },
    data: { kept: null },
    state: [{ category: 'net', tag: 'up', state: 'ok' }],
    ...{ held: false, validation: null, deleting: false },
  })
})

test('what was cancelled, lost, handed back or ended by the backstop leaves nothing behind, nor does an operation of another kind', async () => {
  const left = { eco: {}, data: { size: 2 } }
  const timedOut = event('OperationTimedOut', { attempt: 1, timeoutMs: 1 })
  const services = await after(
    service('g', created()),
    operation('lost', actionKind, 'g', started(1), failedAttempt(1, left, 'worker-lost')),
    operation('stopped', actionKind, 'g', started(1), failedAttempt(1, left, 'worker-stopped')),
    operation('cancelled', actionKind, 'g', started(1), cancelled),
    operation('timed-out', actionKind, 'g', started(1), timedOut),
    operation('probe', 'probe', 'g', started(1), succeeded(1, left)),
    operation('other', actionKind, 'unknown', started(1), succeeded(1, left)),
  )
  expect(services.byGuid('g')?.data).toEqual({ size: 1 })
})

test('a sealed secret takes the place of whatever was there, and is replaced as a whole', async () => {
  const sealed = (text: string): JsonObject => ({ $sealed: text, subject: 'robotService-g' })
  const services = await after(
    service('g', created({ data: { secret: { was: 'clear' }, other: sealed('a') } })),
    operation('t', actionKind, 'g', started(1), succeeded(1, { data: { secret: sealed('b'), other: { now: 'clear' } } })),
  )
  expect(services.byGuid('g')?.data).toEqual({ secret: sealed('b'), other: { now: 'clear' } })
})

test('an upgrade binds it to another version and adds the defaults that are new', async () => {
  const services = await after(
    service('g', created()),
    operation('up', upgradeKind, 'g', started(1)),
    service('g', event('ServiceUpgraded', { templateUid: uid('vm', '2.0.0'), commit: 'b' })),
    more('up', succeeded(1, { templateUid: uid('vm', '2.0.0'), data: { colour: 'red' } })),
  )
  expect(services.byGuid('g')).toMatchObject({ templateUid: uid('vm', '2.0.0'), commit: 'b', data: { size: 1, colour: 'red' } })
  expect(services.list({ version: '2.0.0' })).toHaveLength(1)
  expect(services.list({ version: '1.0.0' })).toEqual([])
})

test('services are found by all that filters name, in the order of their creation', async () => {
  const services = await after(
    service('3', created({ name: 'a' })),
    service('1', created({ name: 'b', templateUid: uid('node') })),
    service('2', created({ name: 'a', templateUid: uid('node', '1.0.1') })),
  )
  const found = (filters: Parameters<typeof services.list>[0]) => services.list(filters).map(({ guid }) => guid)
  expect(found({})).toEqual(['3', '1', '2'])
  expect(found({ name: 'a' })).toEqual(['3', '2'])
  expect(found({ name: 'a', template: 'node' })).toEqual(['2'])
  expect(found({ templateUid: uid('node') })).toEqual(['1'])
  expect(found({ host: 'host', account: 'acme', repository: 'one', version: '1.0.0' })).toEqual(['3', '1'])
  expect(found({ name: 'A' })).toEqual([])
  expect(services.named('b').map(({ guid }) => guid)).toEqual(['1'])
  const node = { host: 'host', account: 'acme', repository: 'one', name: 'node' }
  expect(services.ofTemplate(node).map(({ guid }) => guid)).toEqual(['1', '2'])
  expect(services.count()).toBe(3)
})

test('a service whose validation fails is held until it succeeds or is cancelled', async () => {
  const held = [service('g', created()), operation('v', validateKind, 'g', started(1), failedAttempt(1, {}))]
  expect((await after(...held)).byGuid('g')).toMatchObject({ held: true, validation: 'v' })
  const again = await after(...held, more('v', started(2)))
  expect(again.byGuid('g')).toMatchObject({ held: true, validation: 'v' })
  const valid = await after(...held, more('v', started(2), succeeded(2)))
  expect(valid.byGuid('g')).toMatchObject({ held: false, validation: null })
  const given = await after(...held, more('v', cancelled))
  expect(given.byGuid('g')).toMatchObject({ held: false, validation: null })
})

test('a service is being deleted until it is gone with all that is known of its operations', async () => {
  const deleting = [
    service('g', created()),
    operation('t', actionKind, 'g', started(1)),
    operation('d', deleteKind, 'g', started(1)),
  ]
  expect((await after(...deleting)).byGuid('g')?.deleting).toBe(true)
  const failing = await after(...deleting, more('d', failed(1, {})))
  expect(failing.byGuid('g')?.deleting).toBe(false)
  const gone = await after(...deleting, service('g', event('ServiceDeleted')), more('d', succeeded(1)), more('t', succeeded(1)))
  expect(gone.byGuid('g')).toBeUndefined()
  expect(gone.queue('g')).toEqual([])
  expect(gone.lastRuns('g', 10)).toEqual([])
})

test('of a creation that was refused nothing is kept', async () => {
  const services = await after(operation('v', validateKind, 'g', started(1), failed(1, {})), service('other', created()))
  expect(services.lastRuns('g', 10)).toEqual([])
  expect(services.byGuid('other')).toBeDefined()
})

test('counts tasks that wait: not those that run or back off, but those that are to be run again', async () => {
  const services = await after(
    service('g', created()),
    service('h', created()),
    operation('waits', actionKind, 'g'),
    operation('lost', actionKind, 'g', started(1), failedAttempt(1, {}, 'worker-lost')),
    operation('backs-off', actionKind, 'g', started(1), attemptFailed(1, '2030-01-01T00:00:00.000Z')),
    operation('runs', actionKind, 'g', started(1)),
    operation('ended', actionKind, 'g', started(1), succeeded(1)),
    operation('validation', validateKind, 'g'),
  )
  expect(services.waiting()).toEqual([
    { guid: 'g', tasks: 2 },
    { guid: 'h', tasks: 0 },
  ])
  expect(services.queue('g')).toEqual(['waits', 'lost', 'backs-off', 'runs'])
  expect(services.ended('g', 10)).toMatchObject([{ operation: 'ended' }])
})

test('knows the operations of a service by their first start, the last one first', async () => {
  const services = await after(
    service('g', created()),
    operation('v', validateKind, 'g'),
    operation('t1', actionKind, 'g'),
    operation('t2', actionKind, 'g'),
    more('t2', started(1), failedAttempt(1, {})),
    more('v', started(1)),
    more('t2', started(2)),
  )
  expect(services.lastRuns('g', 10)).toEqual(['v', 't2'])
  expect(services.lastRuns('g', 1)).toEqual(['v'])
})

test('names the event of a failure of which the work has reported nothing', async () => {
  const services = await after(
    service('g', created()),
    operation('told', actionKind, 'g', started(1), failed(1, { eco: {} })),
    operation('crashed', actionKind, 'g', started(1), failed(1, {})),
    operation('cancelled', actionKind, 'g', cancelled),
    operation('mended', actionKind, 'g', started(1), attemptFailed(1, '2030-01-01T00:00:00.000Z'), started(2), succeeded(2)),
  )
  expect(services.unreportedFailure('told')).toBeUndefined()
  expect(services.unreportedFailure('mended')).toBeUndefined()
  expect(services.unreportedFailure('crashed')).toMatch(/^[0-9a-f-]{36}$/)
  expect(services.unreportedFailure('cancelled')).toBe(cancelled.id)
})
