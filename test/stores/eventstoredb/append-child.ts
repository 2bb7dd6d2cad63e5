import { pino } from 'pino'
import { systemClock } from '../../../src/lib/clock.ts'
import { openEventStoreDb } from '../../../src/stores/eventstoredb/open-connection.ts'
import { events } from '../../contracts/event-log-tools.ts'

/** Appends so many events to a log, in bursts, from a process of its own. */
const [url = '', count = '0'] = process.argv.slice(2)
const logger = pino({ level: 'silent' })
const { log, close } = await openEventStoreDb({ url, appendTimeoutMs: 5_000, clock: systemClock, logger })
const burst = 100
await Promise.all(
  Array.from({ length: Number(count) / burst }, (_, n) => log.append(`burst-${process.pid}-${n}`, 'noStream', events(burst))),
)
await close()
process.stdout.write('done\n')
