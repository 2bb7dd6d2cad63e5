import type { AppendSpeed } from '../floors/raw-appends.ts'
import type { Scenario } from '../lib/bench.ts'
import { figure } from '../lib/figure.ts'
import { median } from '../lib/percentiles.ts'
import { interleaved } from '../lib/rounds.ts'
import { runTask } from '../lib/task.ts'

const port = new URL('../tasks/port-appends.ts', import.meta.url)
const raw = new URL('../floors/raw-appends.ts', import.meta.url)
const many = 64

/** What the embedded log adds to SQLite. */
export const append: Scenario = {
  id: 'B5',
  title: 'appends of one event through the port of the log',
  async *run(bench) {
    const directory = bench.scratch('logs')
    const run = (module: URL, callers: number, count: number) => () => runTask<AppendSpeed>(module, { directory, callers, count })
    const few = bench.size(8_000, 1_000)
    const lots = bench.size(200_000, 20_000)
    const rounds = await interleaved(bench.rounds, {
      portAlone: run(port, 1, few),
      rawAlone: run(raw, 1, few),
      portMany: run(port, many, lots),
      rawMany: run(raw, many, lots),
    })
    const speed = (name: keyof typeof rounds): number => median(rounds[name].map(({ perSecond }) => perSecond))
    const measured = (callers: string, value: number) => ({
      scenario: 'B5',
      metric: `append, ${callers}`,
      value,
      unit: 'events/s',
    })
    yield figure(measured('one caller', speed('portAlone')), {
      floor: speed('rawAlone'),
      floorName: 'raw node:sqlite',
      ratio: { atLeast: 0.7 },
    })
    yield figure(measured(`${many} callers`, speed('portMany')), {
      floor: speed('rawMany'),
      floorName: 'raw group commit',
      ratio: { atLeast: 0.4 },
    })
    const perCommit = median(rounds.portMany.map((sample) => sample.perCommit))
    yield figure(
      { scenario: 'B5', metric: `append, ${many} callers`, value: perCommit, unit: 'events/commit' },
      { floor: undefined, floorName: '', value: { atLeast: 16 } },
    )
  },
}
