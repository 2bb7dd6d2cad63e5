import { startNull } from '../floors/null.ts'
import type { Scenario } from '../lib/bench.ts'
import { figure } from '../lib/figure.ts'
import { median } from '../lib/percentiles.ts'
import { interleaved } from '../lib/rounds.ts'
import { longHistory, seededDirectory } from '../lib/seeded.ts'
import { startIntendant } from '../peers/intendant.ts'

/** How soon it is ready after its start: new, and with a long history whose views are there. */
export const start: Scenario = {
  id: 'B8',
  title: 'ready after a start',
  async *run(bench) {
    const { dataDir, events } = await seededDirectory(bench, longHistory(bench))
    const readyAfter = async (directory: string): Promise<number> => {
      await using server = await startIntendant({ dataDir: directory })
      return server.readyAfterMs
    }
    await readyAfter(dataDir) // builds the views
    const rounds = await interleaved(bench.rounds, {
      empty: () => readyAfter(bench.scratch('empty')),
      full: () => readyAfter(dataDir),
      null: async () => {
        await using nothing = await startNull({ log: `${dataDir}-null.log` })
        return nothing.readyAfterMs
      },
    })
    const [empty, full, floor] = [median(rounds.empty), median(rounds.full), median(rounds.null)]
    yield figure(
      { scenario: 'B8', metric: 'ready, empty', value: empty, unit: 'ms' },
      { floor, floorName: 'null', ratio: { atMost: 2 } },
    )
    yield figure(
      { scenario: 'B8', metric: `ready, ${events.toLocaleString('en-US')} events`, value: full, unit: 'ms' },
      { floor: empty, floorName: 'empty', ratio: { atMost: 1.3 } },
    )
  },
}
