import { pino } from 'pino'
import { describe } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import type { EventLog } from '../../../src/stores/event-log.ts'
import { openEventStoreDb } from '../../../src/stores/eventstoredb/open.ts'
import { eventLogContract } from '../../contracts/event-log.ts'
import { eventStoreDbUrl } from '../../engines/running.ts'
import { ownPart } from './own-part.ts'

const open = async (): Promise<EventLog> => {
  const options = { url: eventStoreDbUrl ?? '', appendTimeoutMs: 5_000, clock: systemClock, logger: pino({ level: 'silent' }) }
  const { log, close } = await openEventStoreDb(options)
  const part = await ownPart(log)
  return { ...part, close: () => part.close().then(close) }
}

describe.skipIf(eventStoreDbUrl === undefined)('EventStoreDB', () => {
  eventLogContract('a log on a server', open)
})
