import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { onTestFinished } from 'vitest'
import { operationStream } from '../../src/commands/operation.ts'
import type { OperationRequest } from '../../src/events/operation.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import type { JsonObject } from '../../src/lib/json.ts'
import { createProjections } from '../../src/projections/engine/projection-engine.ts'
import type { Projection, Projections } from '../../src/projections/projection.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import type { EventLog, NewEvent, Position } from '../../src/stores/event-log.ts'

export const silent: Logger = pino({ level: 'silent' })

/** A clock that stands at `at` until it is moved; its timers are those of the machine. */
export const standingClock = (at: number): Clock & { set(to: number): void } => {
  let now = at
  return { ...systemClock, now: () => now, monotonic: () => now, set: (to) => (now = to) }
}

/** A folder that is gone after the test. */
export const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'intendant-views-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export const openLog = async (clock: Clock = systemClock): Promise<EventLog> => {
  const log = await openEmbeddedLog({ path: ':memory:', clock })
  onTestFinished(() => log.close())
  return log
}

export const openViews = async (
  log: EventLog,
  projections: readonly Projection[],
  directory = ':memory:',
  clock: Clock = systemClock,
): Promise<Projections> => {
  const views = createProjections({ log, directory, projections, clock, logger: silent })
  onTestFinished(() => views.stop())
  await views.start()
  return views
}

export const actor = { principal: 'anonymous', face: null, address: '127.0.0.1' }

export const event = (type: string, data: JsonObject = {}, principal = 'anonymous'): NewEvent => ({
  id: newId(),
  type,
  data,
  metadata: { correlationId: 'c', actor: { ...actor, principal }, schema: 1 },
})

/** What an operation is asked for when a test does not care. */
const request = (more: Partial<OperationRequest> = {}): OperationRequest => ({
  kind: 'probe',
  face: null,
  lane: null,
  priority: 100,
  runAt: null,
  input: {},
  policy: { attempts: 3, timeoutMs: 1000, backoff: { initialMs: 100, factor: 2, maxMs: 1000 }, whenLost: 'retry' },
  externalRef: null,
  parent: null,
  retryOf: null,
  ...more,
})

/** Appends to an operation's stream; the last position. */
export const append = async (log: EventLog, id: string, ...events: NewEvent[]): Promise<Position> =>
  (await log.append(operationStream(id), 'any', events)).position

export const requested = (more: Partial<OperationRequest> = {}, principal?: string): NewEvent =>
  event('OperationRequested', request(more) as unknown as JsonObject, principal)
export const started = (attempt = 1, worker = 'w1', deadline = '2030-01-01T00:00:00.000Z'): NewEvent =>
  event('OperationStarted', { attempt, worker, deadline })
export const attemptFailed = (attempt: number, retryAt: string): NewEvent =>
  event('OperationAttemptFailed', { attempt, error: { type: 'probe-failed', message: 'no', retryable: true }, retryAt })
export const succeeded = (attempt = 1, result: JsonObject = {}): NewEvent => event('OperationSucceeded', { attempt, result })
