import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Scenario } from '../lib/bench.ts'
import { bytesBelow } from '../lib/disk.ts'
import { figure } from '../lib/figure.ts'
import { median } from '../lib/percentiles.ts'
import { memoryOf } from '../lib/processes.ts'
import { interleaved } from '../lib/rounds.ts'
import { longHistory, seededDirectory } from '../lib/seeded.ts'
import { type Intendant, startIntendant } from '../peers/intendant.ts'

const restMs = 3_000
const lookEveryMs = 20
/** Events between the first question and the one beside it. */
const beside = 1_000

interface Sample {
  readonly firstMs: number
  readonly besideMs: number
  readonly whyMs: number
  /** MiB. */
  readonly memory: number
  readonly pastDisk: number
  readonly trailDisk: number
}

/** What questions about the past cost where nobody asked before and no mark helps: the views are built from the first event. */
export const past: Scenario = {
  id: 'B12',
  title: 'questions about the past',
  async *run(bench) {
    const { dataDir, events } = await seededDirectory(bench, longHistory(bench))
    await using built = await startIntendant({ dataDir })
    await built.stop()
    const { asked: rounds = [] } = await interleaved<string, Sample>(bench.rounds, { asked: () => ask(dataDir) })
    const of = (part: keyof Sample): number => median(rounds.map((sample) => sample[part]))
    const many = events.toLocaleString('en-US')
    for (const [metric, part, unit] of [
      [`first question about the middle of ${many} events`, 'firstMs', 'ms'],
      [`question ${beside.toLocaleString('en-US')} events beside it`, 'besideMs', 'ms'],
      [`first why of ${many} events`, 'whyMs', 'ms'],
      ['memory that the questions take at most', 'memory', 'MiB'],
      ['disk of the two copies', 'pastDisk', 'MiB'],
      ['disk of the trail', 'trailDisk', 'MiB'],
    ] as const)
      yield figure({ scenario: 'B12', metric, value: of(part), unit })
  },
}

const ask = async (dataDir: string): Promise<Sample> => {
  const folder = (name: string): string => join(dataDir, 'views', name)
  for (const name of ['past', 'trail']) rmSync(folder(name), { recursive: true, force: true })
  await using server = await startIntendant({ dataDir })
  await pause(restMs)
  const before = memoryOf(server.pids)
  const head = (await answered<{ readonly head: string }>(server, '/v1/events?limit=1&order=desc')).value.head
  const middle = Math.floor(Number(head) / 2)
  const asOf = (position: number): string => `/v1/operations?limit=50&asOf=${String(position).padStart(head.length, '0')}`

  let peak = before
  let busy = true
  const watching = (async () => {
    for (; busy; await pause(lookEveryMs)) peak = Math.max(peak, memoryOf(server.pids))
  })()
  const first = await answered<{ readonly items: readonly { readonly id: string }[] }>(server, asOf(middle))
  const second = await answered(server, asOf(middle + beside))
  const why = await answered(server, `/v1/operations/${first.value.items[0]?.id}/why`)
  busy = false
  await watching
  return {
    ...{ firstMs: first.tookMs, besideMs: second.tookMs, whyMs: why.tookMs },
    memory: peak - before,
    pastDisk: bytesBelow(folder('past')) / 2 ** 20,
    trailDisk: bytesBelow(folder('trail')) / 2 ** 20,
  }
}

/** An answer and how long it took, the times included at which it was told that it takes longer. */
const answered = async <Value>({ url }: Intendant, path: string): Promise<{ readonly value: Value; readonly tookMs: number }> => {
  const begun = performance.now()
  for (;;) {
    const response = await fetch(`${url}${path}`)
    const value = (await response.json()) as Value
    if (response.ok) return { value, tookMs: performance.now() - begun }
    if (response.status !== 503) throw new Error(`${path} was answered ${response.status}: ${JSON.stringify(value)}`)
    await pause(lookEveryMs)
  }
}
