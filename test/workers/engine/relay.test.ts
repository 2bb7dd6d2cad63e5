import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { Job, JobBus } from '../../../src/bus/job-bus.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { JsonObject } from '../../../src/lib/json.ts'
import type { OperationRow } from '../../../src/projections/operations/operation-row.ts'
import type { DueOperation } from '../../../src/projections/operations/operation-schedule.ts'
import type { Projections } from '../../../src/projections/projection.ts'
import type { RecordedEvent } from '../../../src/stores/event-log.ts'
import { createRelay, type RelayQueries } from '../../../src/workers/engine/relay.ts'

const now = Date.parse('2026-11-21T12:00:00.000Z')
const clock = { ...systemClock, now: () => now }
const later = '2026-11-21T12:00:00.001Z'
const nobody: RelayQueries = { row: () => undefined, laneHolder: () => undefined, nextInLane: () => undefined }

const event = (stream: string, type: string, data: JsonObject = {}): RecordedEvent => ({
  ...{ id: '', stream, type, data, revision: 0, position: '1', recordedAt: '2026-11-21T12:00:00.000Z' },
  metadata: { correlationId: '', actor: { principal: '', face: null, address: null }, schema: 1 },
})
const requested = (id: string, data: JsonObject = {}) =>
  event(`operation-${id}`, 'OperationRequested', { kind: 'probe', lane: null, priority: 100, runAt: null, ...data })
const startable = (id: string, lane: string | null = null, more: Partial<OperationRow> = {}) =>
  ({
    ...{ id, kind: 'probe', lane, priority: 100, limits: null, admission: null, gate: null, state: 'pending', attempt: 0 },
    ...{ requested_at: 0, ready_at: 0, since: 0, seq: 1 },
    ...more,
  }) as OperationRow & DueOperation

/** Operations that the relay rings when the view has applied `events`. */
const rings = (events: readonly RecordedEvent[], queries: Partial<RelayQueries> = {}): readonly Job[] => {
  const rung: Job[] = []
  const bus: JobBus = {
    publish: async (jobs) => void rung.push(...jobs),
    consume: async () => undefined,
    close: async () => undefined,
  }
  let apply = (_events: readonly RecordedEvent[]): void => {}
  const projections = {
    onApplied: (listener: typeof apply) => {
      apply = listener
      return () => {
        apply = () => {}
      }
    },
  } as unknown as Projections
  const relay = createRelay({ bus, projections, queries: { ...nobody, ...queries }, clock, logger: pino({ level: 'silent' }) })
  relay.start()
  apply(events)
  relay.stop()
  apply(events)
  return rung
}
const rung = (...given: Parameters<typeof rings>) => rings(...given).map(({ operationId }) => operationId)

test('what is requested is rung with what a bus needs to know', () => {
  expect(rings([requested('a', { priority: 7 })])).toEqual([{ operationId: 'a', kind: 'probe', key: 'a', priority: 7 }])
})

test('many at a time are rung in the order of the log', () => {
  expect(rung([requested('a'), requested('b'), requested('c')])).toEqual(['a', 'b', 'c'])
})

test('what is to run later is the supervisor\u2019s', () => {
  expect(rung([requested('a', { runAt: later }), requested('b', { runAt: '2026-11-21T12:00:00.000Z' })])).toEqual(['b'])
})

test('a lane is rung for its next, with the lane as the key, and only while nobody holds it', () => {
  const nextInLane = (lane: string) => startable('first', lane)
  const asked = [requested('second', { lane: 'l' })]
  expect(rings(asked, { nextInLane })).toEqual([{ operationId: 'first', kind: 'probe', key: 'l', priority: 100 }])
  expect(rung(asked, { nextInLane, laneHolder: () => 'holder' })).toEqual([])
})

test('a released lane rings its next', () => {
  const lanes: string[] = []
  const nextInLane = (lane: string) => {
    lanes.push(lane)
    return startable('next', lane)
  }
  expect(rung([event('lane-a-b', 'LaneReleased')], { nextInLane })).toEqual(['next'])
  expect(lanes).toEqual(['a-b'])
  expect(rung([event('lane-a-b', 'LaneReleased')])).toEqual([])
})

test('a failed attempt is rung again when it may be repeated at once', () => {
  const row = (id: string) => startable(id)
  const failed = (retryAt: string | null) => event('operation-a', 'OperationAttemptFailed', { retryAt })
  expect(rung([failed(null)], { row })).toEqual(['a'])
  expect(rung([failed(later)], { row })).toEqual([])
})

test('a cancelled one lets the next of its lane through, since it may have been rung in vain', () => {
  const cancelled = [event('operation-a', 'OperationCancelled')]
  const nextInLane = (lane: string) => startable('next', lane)
  expect(rung(cancelled, { row: (id) => startable(id, 'l'), nextInLane })).toEqual(['next'])
  expect(rung(cancelled, { row: (id) => startable(id), nextInLane })).toEqual([])
})

test('nothing else rings', () => {
  const others = ['OperationStarted', 'OperationProgressed', 'OperationSucceeded', 'OperationCancelRequested']
  expect(
    rung([...others.map((type) => event('operation-a', type)), event('lane-l', 'LaneAcquired'), event('page-1', 'X')]),
  ).toEqual([])
})
