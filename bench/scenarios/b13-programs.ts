import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { pino } from 'pino'
import { systemClock } from '../../src/lib/clock.ts'
import type { Processes } from '../../src/workers/processes/processes.ts'
import { createProcesses } from '../../src/workers/processes/system-processes.ts'
import type { Scenario } from '../lib/bench.ts'
import { figure } from '../lib/figure.ts'
import { interleaved } from '../lib/rounds.ts'

const atOnce = 16
const goalPerSecond = 200
const path = '/usr/bin:/bin'

/** How many programs that do nothing are started and reaped in a second, with the record, the folders and the group of each. */
export const programs: Scenario = {
  id: 'B13',
  title: 'programs started and reaped',
  async *run(bench) {
    const count = bench.size(2_000, 400)
    const processes = createProcesses({
      directory: bench.scratch('programs'),
      clock: systemClock,
      logger: pino({ level: 'silent' }),
      environment: { PATH: path },
    })
    const rounds = await interleaved<string, number>(bench.rounds, {
      intendant: () => perSecond(count, (index) => recorded(processes, index)),
      spawn: () => perSecond(count, bare),
    })
    await processes.stop()
    const measured = { scenario: 'B13', metric: 'programs', value: median(rounds.intendant), unit: '/s' }
    yield figure(measured, { floor: median(rounds.spawn), floorName: 'spawn alone', value: { atLeast: goalPerSecond } })
  },
}

const perSecond = async (count: number, run: (index: number) => Promise<unknown>): Promise<number> => {
  const begun = performance.now()
  let next = 0
  const one = async (): Promise<void> => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, one))
  return (count * 1000) / (performance.now() - begun)
}

const recorded = (processes: Processes, index: number): Promise<unknown> =>
  processes.run({
    name: `program-${index}`,
    argv: ['true'],
    base: '/',
    signal: new AbortController().signal,
    stdout: drained,
    stderr: drained,
  })

const drained = async (stream: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of stream);
}

const bare = async (): Promise<void> => {
  const child = spawn('true', [], { detached: true, env: { PATH: path } })
  child.stdin.on('error', () => undefined).end()
  child.stdout.resume()
  child.stderr.resume()
  await once(child, 'close')
}

const median = (values: readonly number[] = []): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
