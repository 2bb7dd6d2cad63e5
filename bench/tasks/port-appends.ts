import { join } from 'node:path'
import { systemClock } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import type { AppendRun, AppendSpeed } from '../floors/raw-appends.ts'
import { historyOf } from '../lib/history.ts'
import { answerTask } from '../lib/task.ts'

/** Appends single events through the port of the embedded log, `callers` at a time; a quarter more goes first and is not counted. */
answerTask(async ({ directory, callers, count }: AppendRun): Promise<AppendSpeed> => {
  const log = await openEmbeddedLog({ path: join(directory, `log-${process.pid}.db`), clock: systemClock })
  const history = historyOf(new Date())
  const append = async (total: number, round: string): Promise<number> => {
    let left = total
    const begun = performance.now()
    await Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        for (let revision = -1; left-- > 0; revision++) {
          const event = { ...history.events[0], id: newId() } as (typeof history.events)[number]
          await log.append(`operation-${round}-${caller}`, revision < 0 ? 'noStream' : revision, [event])
        }
      }),
    )
    return total / ((performance.now() - begun) / 1000)
  }
  await append(Math.ceil(count / 4), 'warm')
  const before = log.metrics()
  const perSecond = await append(count, 'counted')
  const after = log.metrics()
  await log.close()
  return { perSecond, perCommit: (after.events - before.events) / (after.commits - before.commits) }
})
