import { join } from 'node:path'
import { pino } from 'pino'
import { systemClock } from '../../../src/lib/clock.ts'
import { createProjections } from '../../../src/projections/engine/projection-engine.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { counts } from '../counts.ts'

// Fills a view and ends, as hard as a process can, in the middle of a transaction.
const directory = process.argv[2] ?? ''
const log = await openEmbeddedLog({ path: join(directory, 'log.db'), clock: systemClock })
const projection = counts()
let applied = 0
const views = createProjections({
  log,
  directory,
  clock: systemClock,
  logger: pino({ level: 'silent' }),
  projections: [
    {
      ...projection,
      apply: (event, tx) => {
        projection.apply(event, tx)
        applied++
        if (applied === 3210) process.kill(process.pid, 'SIGKILL')
      },
    },
  ],
})
await views.start()
