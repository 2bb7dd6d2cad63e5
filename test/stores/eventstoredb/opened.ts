import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { type OpenedEventStoreDb, openEventStoreDb } from '../../../src/stores/eventstoredb/open-connection.ts'
import { type OwnEventStoreDb, type OwnEventStoreDbOptions, ownEventStoreDb } from '../../engines/own.ts'

/** A log on a server; closed with the test. `lines` is what it logged. */
export const opened = async (
  url: string,
  { appendTimeoutMs = 2_000, startWithinMs = 20_000 } = {},
): Promise<OpenedEventStoreDb & { readonly lines: readonly Record<string, unknown>[] }> => {
  const lines: Record<string, unknown>[] = []
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const open = await openEventStoreDb({ url, appendTimeoutMs, startWithinMs, clock: systemClock, logger })
  onTestFinished(() => open.close())
  return { ...open, lines }
}

/** A server of the test's own, to be killed. */
export const ownServer = async (options?: OwnEventStoreDbOptions): Promise<OwnEventStoreDb> => {
  const server = await ownEventStoreDb(options)
  onTestFinished(() => server.stop())
  return server
}
