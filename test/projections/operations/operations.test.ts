import { describe, expect, test } from 'vitest'
import { laneStream } from '../../../src/commands/lane.ts'
import { type Clock, instant, parseInstant } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import { dump } from '../../../src/projections/engine/view-dump.ts'
import type { OperationPlace } from '../../../src/projections/operations/operation-list.ts'
import { operationTables } from '../../../src/projections/operations/operation-tables.ts'
import { operationQueries, operations } from '../../../src/projections/operations/operations.ts'
import { createLocalLeases } from '../../../src/stores/embedded/leases.ts'
import type { NewEvent, RecordedEvent } from '../../../src/stores/event-log.ts'
import {
  actor,
  append,
  attemptFailed,
  event,
  openLog,
  openViews,
  requested,
  standingClock,
  started,
  succeeded,
} from '../harness.ts'

const zero = parseInstant('2026-11-21T05:00:00.000Z')
const at = (seconds: number): string => instant(zero + seconds * 1000)

/** A log with the view on it; `tell` appends to an operation and waits for the view. */
const setUp = async (clock: Clock & { set(to: number): void } = standingClock(zero)) => {
  const log = await openLog(clock)
  const projections = await openViews(log, [operations], ':memory:', clock)
  const leases = createLocalLeases()
  const queries = operationQueries({ views: projections.views('operations'), leases, clock })
  const tell = async (id: string, ...events: NewEvent[]) => {
    expect(await projections.reached(await append(log, id, ...events))).toBe(true)
    return id
  }
  const lane = async (name: string, type: 'LaneAcquired' | 'LaneReleased', operation: string) => {
    const { position } = await log.append(laneStream(name), 'any', [event(type, { operation })])
    expect(await projections.reached(position)).toBe(true)
  }
  const request = (...options: Parameters<typeof requested>) => tell(newId(), requested(...options))
  return { log, clock, projections, leases, queries, tell, lane, request }
}

describe('the resource', () => {
  test('is the one of the contract, from the request to the end', async () => {
    const { tell, request, queries, clock, leases } = await setUp()
    await leases.renew({ worker: 'w1', host: 'h', kinds: ['probe'], until: zero + 60_000 })
    const id = await request({ face: 'robot', input: { echo: 1, key: { $sealed: 'x' } } })
    expect(queries.byId(id)).toEqual({
      id,
      kind: 'probe',
      face: 'robot',
      lane: null,
      state: 'pending',
      attempt: 0,
      maxAttempts: 3,
      requestedAt: at(0),
      startedAt: null,
      finishedAt: null,
      requestedBy: actor,
      worker: null,
      progress: null,
      waitingFor: {
        reason: 'start',
        detail: 'It may start as soon as a worker has room for it.',
        since: at(0),
        until: null,
        operation: null,
      },
      input: { echo: 1, key: '***' },
      result: null,
      error: null,
      ...{ labels: {}, limits: [], targets: null, schedule: null, slot: null },
      correlationId: 'c',
      parent: null,
      retryOf: null,
      revision: 0,
      position: expect.any(String),
    })
    clock.set(zero + 1000)
    await tell(id, started(1), event('OperationProgressed', { attempt: 1, phase: 'fetch', fraction: 0.4, detail: null }))
    const running = { state: 'running', attempt: 1, worker: 'w1', startedAt: at(1), waitingFor: null, revision: 2 }
    const progress = { fraction: 0.4, phase: 'fetch', detail: null, at: at(1) }
    expect(queries.byId(id)).toMatchObject({ ...running, progress })
    clock.set(zero + 2000)
    const step = { name: 's', result: 1 }
    await tell(id, event('OperationProgressed', { attempt: 1, phase: null, fraction: null, detail: null, step }))
    expect(queries.byId(id)).toMatchObject({ progress, revision: 3 })
    await tell(id, attemptFailed(1, at(12)))
    const error = { type: 'probe-failed', message: 'no', retryable: true }
    expect(queries.byId(id)).toMatchObject({
      state: 'retrying',
      error,
      waitingFor: { reason: 'retry', since: at(2), until: at(12) },
    })
    await tell(id, started(2, 'w2'))
    expect(queries.byId(id)).toMatchObject({
      attempt: 2,
      worker: 'w2',
      startedAt: at(1),
      error,
      progress: null,
      waitingFor: null,
    })
    await tell(id, event('OperationSucceeded', { attempt: 2, result: { token: { $sealed: 'y' }, list: [1] } }))
    const end = { state: 'succeeded', finishedAt: at(2), error: null, result: { token: '***', list: [1] } }
    expect(queries.byId(id)).toMatchObject({ ...end, input: { echo: 1, key: '***' } })
    expect(queries.byId(newId())).toBeUndefined()
  })

  test('says how the others end', async () => {
    const { tell, request, queries } = await setUp()
    const failure = { type: 'broken', message: 'it broke', retryable: false }
    const failed = await tell(await request(), started(), event('OperationFailed', { attempt: 1, error: failure }))
    expect(queries.byId(failed)).toMatchObject({ state: 'failed', error: failure })
    const cancelling = await tell(await request(), started(), event('OperationCancelRequested', { reason: null }))
    expect(queries.byId(cancelling)).toMatchObject({ state: 'cancelling', waitingFor: null, finishedAt: null })
    await tell(cancelling, event('OperationCancelled', { attempt: 1, reason: null }))
    expect(queries.byId(cancelling)).toMatchObject({ state: 'cancelled', finishedAt: at(0), result: null })
    const late = await tell(await request(), started(), event('OperationTimedOut', { attempt: 1, timeoutMs: 5 }))
    expect(queries.byId(late)).toMatchObject({ state: 'timed-out', error: { type: 'timed-out', retryable: false } })
    expect(queries.countByState()).toEqual({ failed: 1, cancelled: 1, 'timed-out': 1 })
  })
})

describe('what an operation waits for', () => {
  test('its time, then a worker, then room', async () => {
    const { request, queries, clock, leases } = await setUp()
    const id = await request({ runAt: at(10) })
    const waiting = () => queries.byId(id)?.waitingFor
    expect(waiting()).toMatchObject({ reason: 'time', since: at(0), until: at(10) })
    clock.set(zero + 10_000)
    expect(waiting()).toMatchObject({ reason: 'worker', since: at(10), until: null })
    await leases.renew({ worker: 'w1', host: 'h', kinds: ['other'], until: zero + 60_000 })
    expect(waiting()).toMatchObject({ reason: 'worker' })
    await leases.renew({ worker: 'w2', host: 'h', kinds: ['probe'], until: zero + 30_000 })
    expect(waiting()).toMatchObject({ reason: 'start', since: at(10) })
    clock.set(zero + 30_000)
    expect(waiting()).toMatchObject({ reason: 'worker' })
  })

  test('the holder of its lane, or the one before it', async () => {
    const { request, queries, lane, tell } = await setUp()
    const holder = await request({ lane: 'one' })
    const second = await request({ lane: 'one' })
    const urgent = await request({ lane: 'one', priority: 1 })
    expect(queries.byId(second)?.waitingFor).toMatchObject({ reason: 'lane', operation: urgent })
    expect(queries.byId(urgent)?.waitingFor).toMatchObject({ reason: 'worker' })
    await lane('one', 'LaneAcquired', holder)
    await tell(holder, started())
    expect(queries.byId(urgent)?.waitingFor).toMatchObject({ reason: 'lane', operation: holder, since: at(0) })
    await tell(holder, attemptFailed(1, at(0)))
    expect(queries.byId(holder)?.waitingFor).toMatchObject({ reason: 'worker' })
    expect(queries.list({ limit: 10 }).items.map(({ waitingFor }) => waitingFor?.operation)).toEqual([holder, holder, null])
  })
})

describe('what may start', () => {
  const due = ({ queries, clock }: Awaited<ReturnType<typeof setUp>>, limit = 10) =>
    queries.due(clock.now(), limit).map(({ id }) => id)

  test('by priority, then by waiting time; times that lie ahead count when they have come', async () => {
    const house = await setUp()
    const { request, queries, clock, tell } = house
    const later = await request({ runAt: at(5) })
    const normal = await request()
    const urgent = await request({ priority: 1 })
    const retrying = await tell(await request(), started(), attemptFailed(1, at(3)))
    expect(due(house)).toEqual([urgent, normal])
    expect(due(house, 1)).toEqual([urgent])
    expect(queries.nextDueAt(clock.now())).toBe(zero + 3000)
    clock.set(zero + 3000)
    expect(due(house)).toEqual([urgent, normal, retrying])
    expect(queries.nextDueAt(clock.now())).toBe(zero + 5000)
    clock.set(zero + 5000)
    expect(due(house)).toEqual([urgent, normal, retrying, later])
    expect(queries.nextDueAt(clock.now())).toBeUndefined()
    expect(
      [...queries.allDue(clock.now(), 1)]
        .flat()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([...due(house)].sort())
    await tell(normal, started())
    await tell(urgent, event('OperationCancelled', { attempt: null, reason: null }))
    expect(due(house)).toEqual([retrying, later])
  })

  test('one of each lane: its holder where it is held, else the lowest priority, then the earliest', async () => {
    const house = await setUp()
    const { request, queries, clock, tell, lane } = house
    const first = await request({ lane: 'one' })
    const second = await request({ lane: 'one' })
    const urgent = await request({ lane: 'one', priority: 1, runAt: at(5) })
    const elsewhere = await request({ lane: 'two' })
    expect(due(house)).toEqual([first, elsewhere])
    await lane('one', 'LaneAcquired', first)
    expect(due(house)).toEqual([first, elsewhere])
    await tell(first, started())
    expect(due(house)).toEqual([elsewhere])
    await tell(first, attemptFailed(1, at(2)))
    expect([due(house), queries.nextDueAt(clock.now())]).toEqual([[elsewhere], zero + 2000])
    clock.set(zero + 2000)
    expect(due(house)).toContain(first)
    await tell(first, started(2), succeeded(2))
    expect(due(house)).toEqual([elsewhere])
    expect(queries.lanesHeldByFinished()).toEqual([{ lane: 'one', operation: first }])
    expect(queries.laneHolder('one')).toBe(first)
    await lane('one', 'LaneReleased', first)
    expect([queries.lanesHeldByFinished(), queries.laneHolder('one')]).toEqual([[], undefined])
    expect(queries.nextInLane('one', clock.now())?.id).toBe(second)
    clock.set(zero + 5000)
    expect(queries.nextInLane('one', clock.now())?.id).toBe(urgent)
    expect(due(house)).toEqual([urgent, elsewhere])
  })

  test('a lane that nobody wants leaves nothing behind', async () => {
    const { request, lane, tell, projections } = await setUp()
    const id = await request({ lane: 'one' })
    await lane('one', 'LaneAcquired', id)
    await tell(id, started(), succeeded())
    await lane('one', 'LaneReleased', id)
    expect(dump(projections.views('operations')).lanes).toEqual([])
  })
})

test('what runs: by deadline, in pages; the overdue, and those without a worker', async () => {
  const { request, tell, queries } = await setUp()
  const run = async (worker: string, seconds: number) => tell(await request(), started(1, worker, at(seconds)))
  const [c, a, b] = [await run('w1', 30), await run('w2', 10), await run('w3', 20)]
  await tell(await request(), started(), succeeded())
  await tell(b, event('OperationCancelRequested', { reason: null }))
  expect(queries.running().map(({ id }) => id)).toEqual([a, b, c])
  const [first] = queries.running({ limit: 1 })
  expect(first).toMatchObject({ id: a, worker: 'w2', attempt: 1, deadline: zero + 10_000, state: 'running' })
  expect(queries.running({ limit: 5, ...(first && { after: first }) }).map(({ id }) => id)).toEqual([b, c])
  expect(queries.overdue(zero + 20_000).map(({ id }) => id)).toEqual([a, b])
  expect(queries.nextDeadline()).toBe(zero + 10_000)
  expect(queries.countRunning()).toBe(3)
  expect(
    queries
      .orphans(['w2', 'w9'])
      .map(({ id }) => id)
      .sort(),
  ).toEqual([b, c].sort())
  expect(queries.orphans(['w1', 'w2', 'w3'])).toEqual([])
  await tell(c, started(2, 'w2', at(40)))
  expect(
    queries
      .running()
      .map(({ id, attempt }) => [id, attempt])
      .at(-1),
  ).toEqual([c, 2])
})

test('a face finds an operation by its own name, the newest first', async () => {
  const { request, queries } = await setUp()
  await request({ face: 'crawling', externalRef: 'a' })
  const newest = await request({ face: 'crawling', externalRef: 'a' })
  await request({ face: 'robot', externalRef: 'a', kind: 'other' })
  expect(queries.byExternalRef('a', { face: 'crawling' })?.id).toBe(newest)
  expect(queries.byExternalRef('a', { kind: 'other' })?.face).toBe('robot')
  expect(queries.byExternalRef('b')).toBeUndefined()
})

describe('listing', () => {
  const fill = async () => {
    const house = await setUp()
    const made: string[] = []
    for (let index = 0; index < 12; index++) {
      house.clock.set(zero + Math.floor(index / 2) * 1000)
      const more = { kind: index % 3 === 0 ? 'a' : 'b', face: index % 2 === 0 ? 'robot' : null, lane: index < 2 ? 'one' : null }
      made.push(await house.request(more, index === 5 ? 'eve' : 'adam'))
    }
    await house.tell(made[4] as string, started(), succeeded())
    const list = (options: Partial<Parameters<typeof house.queries.list>[0]>) =>
      house.queries.list({ limit: 50, ...options }).items.map(({ id }) => made.indexOf(id))
    return { ...house, list, made }
  }

  test('newest first or oldest first, any of the values of every filter', async () => {
    const { list } = await fill()
    expect(list({})).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    expect(list({ order: 'asc', limit: 3 })).toEqual([0, 1, 2])
    expect(list({ state: ['succeeded'] })).toEqual([4])
    expect(list({ state: ['succeeded', 'pending', 'pending'], limit: 2 })).toEqual([11, 10])
    expect(list({ kind: ['a'] })).toEqual([9, 6, 3, 0])
    expect(list({ kind: ['a', 'b'], state: ['pending'], order: 'asc', limit: 5 })).toEqual([0, 1, 2, 3, 5])
    expect(list({ face: ['robot'] })).toEqual([10, 8, 6, 4, 2, 0])
    expect(list({ face: ['robot'], kind: ['a'] })).toEqual([6, 0])
    expect(list({ lane: ['one', 'none'], state: ['pending'] })).toEqual([1, 0])
    expect(list({ principal: ['eve'], kind: ['b'], state: ['pending', 'failed'] })).toEqual([5])
    expect(list({ principal: ['nobody'], kind: ['a'] })).toEqual([])
    expect(list({ from: at(1), to: at(3) })).toEqual([5, 4, 3, 2])
    expect(list({ from: at(1), to: at(3), kind: ['b'], state: ['pending'] })).toEqual([5, 2])
  })

  test('pages show each one once while new ones arrive', async () => {
    const { queries, request, made } = await fill()
    for (const order of ['desc', 'asc'] as const) {
      for (const filter of [{}, { kind: ['a', 'b'] }, { state: ['pending', 'succeeded'], principal: ['adam', 'eve'] }]) {
        const seen: string[] = []
        let after: OperationPlace | undefined
        for (let page = 0; page < 100; page++) {
          const { items, next } = queries.list({ ...filter, order, limit: 3, ...(after && { after }) })
          seen.push(...items.map(({ id }) => id))
          if (next === null) break
          after = next
          if (page < 3) await request({ kind: 'a' }, 'eve')
        }
        expect(new Set(seen).size).toBe(seen.length)
        expect(seen).toEqual(expect.arrayContaining(made))
      }
    }
  })
})

test('the fold applied twice changes nothing, and a rebuilt view equals the live one', async () => {
  const { log, request, tell, lane, projections } = await setUp()
  for (let round = 0; round < 5; round++) {
    const id = await request({ lane: `lane-${round % 2}`, input: { round } })
    await lane(`lane-${round % 2}`, 'LaneAcquired', id)
    await tell(id, started(), attemptFailed(1, at(1)), started(2))
    if (round > 1) await tell(id, succeeded(2))
    if (round > 2) await lane(`lane-${round % 2}`, 'LaneReleased', id)
  }
  const { fold: _, ...oneByOne } = operations
  const twice = await openViews(log, [
    {
      ...oneByOne,
      apply: (recorded, tx) => {
        operations.apply(recorded, tx)
        operations.apply(recorded, tx)
      },
    },
  ])
  const live = dump(projections.views('operations'))
  expect(live.operations).toHaveLength(5)
  expect(dump(twice.views('operations'))).toEqual(live)
  const foldedTwice: typeof operations = {
    ...operations,
    fold: (tx) => {
      const tables = operationTables(tx)
      const apply = (recorded: RecordedEvent): void => {
        tables.apply(recorded)
        tables.apply(recorded)
      }
      return { ...tables, apply }
    },
  }
  expect(dump((await openViews(log, [foldedTwice])).views('operations'))).toEqual(live)
  await projections.rebuild('operations')
  expect(dump(projections.views('operations'))).toEqual(live)
})

describe('when the clock was set back', () => {
  test.each(['asc', 'desc'] as const)('pages in the order %s miss nothing and show nothing twice', async (order) => {
    const { request, queries, clock } = await setUp()
    const ids: string[] = []
    for (const second of [100, 101, 102]) {
      clock.set(zero + second * 1000)
      ids.push(await request())
    }
    const first = queries.list({ order, limit: 2 })
    const seen = first.items.map(({ id }) => id)
    for (const second of [10, 11, 200]) {
      clock.set(zero + second * 1000)
      ids.push(await request())
    }
    for (let after = first.next; after !== null; ) {
      const page = queries.list({ order, limit: 2, after })
      seen.push(...page.items.map(({ id }) => id))
      after = page.next
    }
    expect(seen).toEqual(order === 'asc' ? ids : ids.slice(0, 3).reverse())
  })

  test('times still choose by the instant of the request, through every filter', async () => {
    const { request, queries, clock } = await setUp()
    const ids = new Map<number, string>()
    for (const second of [100, 101, 10, 11, 102]) {
      clock.set(zero + second * 1000)
      ids.set(second, await request({ lane: 'one' }))
    }
    const listed = (from: number | undefined, to: number | undefined, more = {}) =>
      queries
        .list({
          order: 'asc',
          limit: 10,
          from: from === undefined ? from : at(from),
          to: to === undefined ? to : at(to),
          ...more,
        })
        .items.map(({ id }) => [...ids].find(([, known]) => known === id)?.[0])
    for (const more of [{}, { lane: ['one'] }, { kind: ['probe'] }, { state: ['pending', 'running'] }]) {
      expect(listed(undefined, 101, more)).toEqual([100, 10, 11])
      expect(listed(11, 101, more)).toEqual([100, 11])
      expect(listed(101, undefined, more)).toEqual([101, 102])
      expect(listed(10, 11, more)).toEqual([10])
    }
  })
})
