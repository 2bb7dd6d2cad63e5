import type { Scenario } from '../lib/bench.ts'
import { figure } from '../lib/figure.ts'
import { median } from '../lib/percentiles.ts'
import { interleaved } from '../lib/rounds.ts'
import { longHistory, seededDirectory } from '../lib/seeded.ts'
import { runTask } from '../lib/task.ts'
import type { Rebuilt } from '../tasks/rebuild-views.ts'

const views = new URL('../tasks/rebuild-views.ts', import.meta.url)
const fold = new URL('../floors/raw-fold.ts', import.meta.url)

/** How fast everything that is known is made again from the log. */
export const rebuild: Scenario = {
  id: 'B7',
  title: 'rebuild of every view from a long history',
  async *run(bench) {
    const { dataDir, events } = await seededDirectory(bench, longHistory(bench))
    const run = (module: URL) => () => runTask<Rebuilt>(module, { dataDir, directory: bench.scratch('views') })
    const rounds = await interleaved(bench.rounds, { views: run(views), fold: run(fold) })
    const speed = (name: keyof typeof rounds): number => median(rounds[name].map(({ seconds }) => events / seconds))
    yield figure(
      { scenario: 'B7', metric: 'rebuild of every view', value: speed('views'), unit: 'events/s' },
      { floor: speed('fold'), floorName: 'raw fold into one table', ratio: { atLeast: 0.5 } },
    )
    yield figure(
      {
        scenario: 'B7',
        metric: 'events handled',
        value: Math.min(...rounds.views.map(({ handled }) => handled)),
        unit: 'events',
      },
      { floor: events, floorName: 'events in the log', ratio: { atLeast: 1, atMost: 1 } },
    )
  },
}
