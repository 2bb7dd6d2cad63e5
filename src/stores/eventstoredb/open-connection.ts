import { type ConnectionOptions, connectEventStoreDb, type EventStoreDbConnection } from './client.ts'
import { createEventStoreDbLog, type EventStoreDbLog } from './log.ts'

/** The log and, for leases and leadership, the connection under it; `close` closes both. */
export interface OpenedEventStoreDb extends EventStoreDbConnection {
  readonly log: EventStoreDbLog
}

/** Throws `Unacceptable` for a connection string that cannot be understood, `Unavailable` with the reason where the server is not to be had. */
export const openEventStoreDb = async (options: ConnectionOptions): Promise<OpenedEventStoreDb> => {
  const connection = await connectEventStoreDb(options)
  const { appendTimeoutMs, clock, logger } = options
  const log = createEventStoreDbLog({ connection, appendTimeoutMs, clock, logger })
  return {
    ...connection,
    log,
    close: async () => {
      await log.close()
      await connection.close()
    },
  }
}
