import { systemClock } from '../../../src/lib/clock.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { events } from '../../contracts/event-log-tools.ts'

// Appends without end and says what was acknowledged, until it is killed: `stream last-id`.
const [, , path = '', callers = '16', round = '0'] = process.argv
const log = await openEmbeddedLog({ path, clock: systemClock })
const append = async (caller: number): Promise<never> => {
  for (let n = 0; ; n++) {
    const given = events((n % 3) + 1)
    const stream = `thing-${round}-${caller}-${n % 5}`
    await log.append(stream, 'any', given)
    process.stdout.write(`${stream} ${given.at(-1)?.id}\n`)
  }
}
await Promise.all(Array.from({ length: Number(callers) }, (_, caller) => append(caller)))
