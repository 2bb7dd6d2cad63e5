import { pino } from 'pino'
import { describe } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { openEventStoreDb } from '../../../src/stores/eventstoredb/open-connection.ts'
import { outputContract } from '../../contracts/output.ts'
import { eventStoreDbUrl } from '../../engines/running.ts'

outputContract('the embedded log', () => openEmbeddedLog({ path: ':memory:', clock: systemClock }))

describe.skipIf(eventStoreDbUrl === undefined)('EventStoreDB', () =>
  outputContract('a log on a server', async () => {
    const options = { appendTimeoutMs: 5_000, startWithinMs: 20_000, clock: systemClock, logger: pino({ level: 'silent' }) }
    const { log, close } = await openEventStoreDb({ url: eventStoreDbUrl ?? '', ...options })
    return { ...log, close }
  }),
)
