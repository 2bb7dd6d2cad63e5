import { join } from 'node:path'
import { pino } from 'pino'
import { faces, projectionsOf } from '../../src/app/faces.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createProjections } from '../../src/projections/engine/projection-engine.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import { answerTask } from '../lib/task.ts'

export interface RebuildOrder {
  /** Holds the log. */
  readonly dataDir: string
  /** For the views; empty. */
  readonly directory: string
}
export interface Rebuilt {
  readonly seconds: number
  /** Events up to which every view reached. */
  readonly handled: number
}

/** Builds every view of the product from the first event on. */
answerTask(async ({ dataDir, directory }: RebuildOrder): Promise<Rebuilt> => {
  const log = await openEmbeddedLog({ path: join(dataDir, 'log.db'), clock: systemClock })
  const logger = pino({ level: 'warn' }, pino.destination(2))
  const projections = createProjections({ log, directory, projections: projectionsOf(faces), clock: systemClock, logger })
  const begun = performance.now()
  await projections.start()
  const seconds = (performance.now() - begun) / 1000
  const status = await projections.status()
  const unread = Math.max(...status.map(({ lag, fault }) => (fault === null ? lag : Number.POSITIVE_INFINITY)))
  const handled = Number(await log.head()) - unread
  await projections.stop()
  await log.close()
  return { seconds, handled }
})
