import { join } from 'node:path'
import { systemClock } from '../../src/lib/clock.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import { eventsPerHistory, historyOf } from '../lib/history.ts'
import { answerTask } from '../lib/task.ts'

export interface SeedOrder {
  readonly directory: string
  readonly events: number
}
export interface Seeded {
  readonly events: number
  /** Bytes of the events as the API shows them, one JSON object each. */
  readonly jsonBytes: number
}

const writers = 512

/** Writes histories of operations into a new log, through its port. */
answerTask(async ({ directory, events }: SeedOrder): Promise<Seeded> => {
  const log = await openEmbeddedLog({ path: join(directory, 'log.db'), clock: systemClock })
  let left = Math.ceil(events / eventsPerHistory)
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (left-- > 0) {
        const history = historyOf(new Date())
        await log.append(history.stream, 'noStream', history.events)
      }
    }),
  )
  let written = 0
  let jsonBytes = 0
  for await (const event of log.readAll()) {
    written++
    jsonBytes += Buffer.byteLength(JSON.stringify(event))
  }
  await log.close()
  return { events: written, jsonBytes }
})
