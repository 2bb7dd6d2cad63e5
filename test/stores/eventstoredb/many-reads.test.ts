import { pino } from 'pino'
import { expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import { openEventStoreDb } from '../../../src/stores/eventstoredb/open-connection.ts'
import { eventStoreDbUrl } from '../../engines/running.ts'

const reads = 2_000
const together = 20

// A server takes many calls that are reset for an attack, and closes the connection with all that runs on it.
test.skipIf(eventStoreDbUrl === undefined)('reads of streams that do not exist, however many, cost no connection', async () => {
  const logger = pino({ level: 'silent' })
  const { log, close } = await openEventStoreDb({
    url: eventStoreDbUrl ?? '',
    appendTimeoutMs: 5_000,
    clock: systemClock,
    logger,
  })
  const read = async (): Promise<number> => (await Array.fromAsync(log.readStream(`missing-${newId()}`))).length
  for (let begun = 0; begun < reads; begun += together)
    expect(await Promise.all(Array.from({ length: together }, read))).toEqual(Array.from({ length: together }, () => 0))
  await close()
})
