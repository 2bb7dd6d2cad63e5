import { type Logger, pino } from 'pino'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { createEventStoreDbLeadership } from '../../../src/stores/eventstoredb/nodes/leadership.ts'
import { createEventStoreDbLeases } from '../../../src/stores/eventstoredb/nodes/leases.ts'
import { type OpenedEventStoreDb, openEventStoreDb } from '../../../src/stores/eventstoredb/open-connection.ts'
import type { Leadership } from '../../../src/stores/leadership.ts'
import type { Leases } from '../../../src/stores/leases.ts'

export interface LeaseStore {
  readonly connection: OpenedEventStoreDb
  /** Of one node each; on a stream of the test's own. */
  leases(stream: string): Leases
  leadership(host?: string): Leadership
  close(): Promise<void>
}

/** A connection as a process has it, and the leases and offices on it. */
export const openLeaseStore = async (url: string, logger: Logger = pino({ level: 'silent' })): Promise<LeaseStore> => {
  const connection = await openEventStoreDb({ url, appendTimeoutMs: 5_000, clock, logger })
  const { log } = connection
  return {
    connection,
    leases: (stream) => createEventStoreDbLeases({ connection, log, clock, logger, stream }),
    leadership: (host = 'here') => createEventStoreDbLeadership({ connection, log, clock, logger, host }),
    close: () => connection.close(),
  }
}
