import { pino } from 'pino'
import { describe } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import type { EventLog } from '../../../src/stores/event-log.ts'
import { connectEventStoreDb } from '../../../src/stores/eventstoredb/client.ts'
import { createEventStoreDbLog } from '../../../src/stores/eventstoredb/log.ts'
import { eventLogContract } from '../../contracts/event-log.ts'
import { eventStoreDbUrl } from '../../engines/running.ts'
import { ownPart } from './own-part.ts'

const open = async (tailEvents: number): Promise<EventLog> => {
  const options = { appendTimeoutMs: 5_000, clock: systemClock, logger: pino({ level: 'silent' }) }
  const connection = await connectEventStoreDb({ url: eventStoreDbUrl ?? '', ...options })
  const part = await ownPart(createEventStoreDbLog({ connection, tailEvents, ...options }))
  return { ...part, close: () => part.close().then(connection.close) }
}

describe.skipIf(eventStoreDbUrl === undefined)('EventStoreDB', () => {
  eventLogContract('a log on a server', () => open(8192))
  // So small a tail drives every follower back to the server again and again.
  eventLogContract('a log on a server with a short tail', () => open(3))
})
