import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { admissionStream } from '../../../src/events/admission.ts'
import { type Clock, instant, parseInstant, systemClock } from '../../../src/lib/clock.ts'
import { Unavailable } from '../../../src/lib/errors.ts'
import { type Generation, openGeneration } from '../../../src/projections/engine/generation.ts'
import { dump } from '../../../src/projections/engine/view-dump.ts'
import { countsOfStates, operationRows, operationTables } from '../../../src/projections/operations/operation-tables.ts'
import { operations } from '../../../src/projections/operations/operations.ts'
import type { Projection } from '../../../src/projections/projection.ts'
import type { NewEvent, RecordedEvent } from '../../../src/stores/event-log.ts'
import { append, attemptFailed, event, folder, openLog, openViews, requested, started, succeeded } from '../harness.ts'

const zero = parseInstant('2026-11-21T05:00:00.000Z')
const at = (seconds: number): string => instant(zero + seconds * 1000)
const never = (): boolean => false

/** The view without its fold: every event is in the tables before the next one is looked at. */
const { fold: _, ...oneByOne } = operations

const inLane = (id: number): string | null => (id % 3 === 0 ? null : `lane-${id % 3}`)
const failure = { type: 'broken', message: 'it broke', retryable: false }

/** What may be said of an operation; whether it makes sense is the decider's business, not the view's. */
const said: readonly ((id: number) => NewEvent)[] = [
  (id) =>
    requested({
      ...{ lane: inLane(id), priority: id, runAt: id % 4 === 1 ? at(5) : null, externalRef: `ref-${id}`, input: { id } },
      ...(id % 2 === 0 ? { limits: ['k', `key-${id % 4}`] } : {}),
    }),
  (id) => started(1, `worker-${id}`, at(id)),
  () => started(2),
  () => event('OperationProgressed', { attempt: 1, phase: 'fetch', fraction: 0.5, detail: null }),
  () => event('OperationProgressed', { attempt: 1, phase: null, fraction: null, detail: null, step: { name: 's', result: 1 } }),
  (id) => attemptFailed(1, at(id)),
  () => event('OperationCancelRequested', { reason: null }),
  () => succeeded(1, { done: 'yes' }),
  () => event('OperationFailed', { attempt: 1, error: failure }),
  () => event('OperationCancelled', { attempt: null, reason: null }),
  () => event('OperationTimedOut', { attempt: 1, timeoutMs: 5 }),
  (id) => event('LaneAcquired', { operation: `id-${id}` }),
  (id) => event('LaneReleased', { operation: `id-${id}` }),
  (id) => event('AttemptAdmitted', { operation: `id-${id}`, attempt: 1 }),
  (id) => event('AttemptAdmitted', { operation: `id-${id}`, attempt: 2 }),
  (id) => event('OperationHeld', { attempt: 1, admission: id }),
  (id) => event('LimitSet', { concurrency: id, rate: id % 2 === 0 ? { count: 1, perMs: 5 } : null }),
  () => event('LimitRemoved'),
]

const streamOf = (type: string, id: number): string => {
  if (type.startsWith('Lane')) return `lane-${inLane(id)}`
  if (type.startsWith('Limit')) return `limit-key-${id % 4}`
  return type === 'AttemptAdmitted' ? admissionStream : `operation-id-${id}`
}

/** Events in log order, each the next of its stream. */
const recorded = (steps: readonly (readonly [id: number, what: number])[]): RecordedEvent[] => {
  const revisions = new Map<string, number>()
  return steps.flatMap(([id, what], index) => {
    const made = said[what]?.(id) as NewEvent
    const isLane = made.type.startsWith('Lane')
    if (isLane && inLane(id) === null) return []
    const stream = streamOf(made.type, id)
    const revision = (revisions.get(stream) ?? -1) + 1
    revisions.set(stream, revision)
    return { ...made, stream, revision, position: String(index + 1).padStart(16, '0'), recordedAt: at(index) }
  })
}

const history = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 8 }), fc.oneof(fc.constant(0), fc.integer({ min: 0, max: said.length - 1 }))), {
    maxLength: 80,
  })
  .map(recorded)

/** The events in pieces of any length; after some of them the tables are looked at. */
const apply = (generation: Generation, events: readonly RecordedEvent[], cuts: readonly (readonly [number, boolean])[]): void => {
  let from = 0
  for (const [length, written] of [...cuts, [events.length, true] as const]) {
    const piece = events.slice(from, from + length)
    expect(generation.apply(piece, never)).toEqual({ done: piece.length, poison: undefined })
    if (written) expect(generation.write()).toBeUndefined()
    from += length
  }
}

const cuts = fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.boolean()), { maxLength: 30 })

test('however a history is cut into batches, the rows are those of one event at a time', () => {
  fc.assert(
    fc.property(history, cuts, (events, cuts) => {
      const reference = openGeneration(oneByOne, ':memory:')
      const folded = openGeneration(operations, ':memory:')
      for (const each of events) reference.apply([each], never)
      apply(folded, events, cuts)
      expect(dump(folded)).toEqual(dump(reference))
      reference.close()
      folded.close()
    }),
    { numRuns: 200 },
  )
})

test('what waits is found before it is written, and told as the tables will', () => {
  fc.assert(
    fc.property(history, (events) => {
      const folded = openGeneration(operations, ':memory:')
      folded.apply(events, never)
      const ids = [...new Set(events.map(({ stream }) => stream.slice('operation-'.length)))]
      const found = ids.map((id) => folded.find(id))
      expect(folded.all(`SELECT 1 FROM operations`)).toEqual([])
      folded.write()
      expect(found).toEqual(ids.map((id) => folded.get(`${operationRows} WHERE o.id = ?`, id)).map((row) => row && { ...row }))
      folded.close()
    }),
    { numRuns: 50 },
  )
})

test('operations are counted by their states, whether they are written or not', () => {
  fc.assert(
    fc.property(history, fc.nat(40), fc.nat(80), (events, written, asked) => {
      const folded = openGeneration(operations, ':memory:')
      const told = (): unknown => {
        const counts = folded.find<ReadonlyMap<string, number>>(countsOfStates) ?? new Map<string, number>()
        return [...counts].filter(([, count]) => count > 0).sort()
      }
      folded.apply(events.slice(0, written), never)
      folded.write()
      folded.apply(events.slice(written, Math.max(written, asked)), never)
      told()
      folded.apply(events.slice(Math.max(written, asked)), never)
      const counted = told()
      folded.settle()
      const rows = folded.all<{ state: string }>(`SELECT state, count(*) AS count FROM operations GROUP BY state ORDER BY state`)
      expect(counted).toEqual(rows.map((row) => Object.values(row)))
      folded.close()
    }),
    { numRuns: 200 },
  )
})

test('what was not written before a crash is replayed from where the tables stand', () => {
  fc.assert(
    fc.property(history, cuts, (events, cuts) => {
      const file = join(folder(), 'operations.db')
      const crashed = openGeneration(operations, file)
      let from = 0
      for (const [length, written] of cuts) {
        crashed.apply(events.slice(from, from + length), never)
        if (written) crashed.write()
        from += length
      }
      crashed.close()
      const again = openGeneration(operations, file)
      const rest = events.filter(({ position }) => position > again.position())
      again.apply(rest, never)
      again.write()
      const reference = openGeneration(oneByOne, ':memory:')
      for (const each of events) reference.apply([each], never)
      expect(dump(again)).toEqual(dump(reference))
      for (const generation of [again, reference]) generation.close()
    }),
    { numRuns: 30 },
  )
})

test('an event that only the tables refuse is found out by the write: those before it stay', () => {
  const good = recorded([
    [1, 0],
    [2, 0],
    [1, 1],
  ])
  const [bad] = recorded([[4, 0]]) as [RecordedEvent]
  const poison = { ...bad, position: '0000000000000009', data: { ...bad.data, priority: 'high' } }
  const folded = openGeneration(operations, ':memory:')
  expect(folded.apply([...good, poison], never)).toEqual({ done: 4, poison: undefined })
  expect(folded.write()).toMatchObject({ position: poison.position, message: expect.stringContaining('operation-id-4') })
  expect(folded.position()).toBe(good.at(-1)?.position)
  expect(folded.all(`SELECT id, state FROM operations ORDER BY id`).map((row) => ({ ...row }))).toEqual([
    { id: 'id-1', state: 'running' },
    { id: 'id-2', state: 'pending' },
  ])
  folded.close()
})

test('one that no fold can take keeps what was before it', () => {
  const good = recorded([[1, 0]])
  const [bad] = recorded([[2, 0]]) as [RecordedEvent]
  const poison = { ...bad, position: '0000000000000009', data: {} }
  const folded = openGeneration(operations, ':memory:')
  expect(folded.apply([...good, poison], never)).toMatchObject({ done: 1, poison: { position: poison.position } })
  expect([folded.position(), folded.all(`SELECT 1 FROM operations`).length]).toEqual([good[0]?.position, 1])
  folded.close()
})

test('what a read makes the view write, and the machine refuses, comes from the log when the machine is well again', async () => {
  const log = await openLog()
  let full = false
  const failing: Projection = {
    ...operations,
    fold: (tx) => {
      const fold = operationTables(tx)
      const write = (): void => {
        if (full) throw Object.assign(new Error('database or disk is full'), { errcode: 13 })
        fold.write()
      }
      return { ...fold, write }
    },
  }
  let recover = (): void => {}
  let commit = (): void => {}
  const after: Clock['after'] = (ms, run) => {
    if (ms === 5000) recover = run
    else if (ms === 200) commit = run
    else return systemClock.after(ms, run)
    return () => {}
  }
  const projections = await openViews(log, [failing], ':memory:', { ...systemClock, after })
  const count = (): unknown => projections.views('operations').all(`SELECT 1 FROM operations`).length
  expect(await projections.reached(await append(log, 'a', requested()))).toBe(true)
  expect(count()).toBe(1)
  commit()
  full = true
  const position = await append(log, 'b', requested())
  expect(await projections.reached(position)).toBe(true)
  expect(count()).toBe(1)
  expect((await projections.status())[0]).toMatchObject({
    state: 'faulted',
    lag: 1,
    fault: { message: 'database or disk is full' },
  })
  expect(await projections.reached(position)).toBe(false)
  full = false
  recover()
  expect(await projections.reached(position)).toBe(true)
  expect([count(), (await projections.status())[0]?.fault]).toEqual([2, null])
})

test('a write that the machine refuses takes the view back to what is stored, and is made good by a replay', () => {
  const events = recorded([
    [1, 0],
    [2, 0],
    [2, 1],
  ])
  let full = false
  const failing = {
    ...operations,
    fold: (...[tx]: Parameters<NonNullable<typeof operations.fold>>) => {
      const fold = operations.fold?.(tx) as NonNullable<ReturnType<NonNullable<typeof operations.fold>>>
      const write = (): void => {
        fold.write()
        if (full) throw Object.assign(new Error('disk full'), { errcode: 13 })
      }
      return { ...fold, write }
    },
  }
  const folded = openGeneration(failing, ':memory:')
  folded.apply(events.slice(0, 1), never)
  folded.write()
  full = true
  folded.apply(events.slice(1), never)
  expect(() => folded.write()).toThrow(Unavailable)
  expect([folded.position(), folded.find('id-2')]).toEqual([events[0]?.position, undefined])
  full = false
  folded.apply(events.slice(1), never)
  folded.write()
  expect(folded.find('id-2')).toMatchObject({ state: 'running', seq: 2 })
  folded.close()
})
