import { setTimeout as pause } from 'node:timers/promises'
import type { Bench, Scenario } from '../lib/bench.ts'
import { type Figure, figure } from '../lib/figure.ts'
import { percentile } from '../lib/percentiles.ts'
import { memoryOf } from '../lib/processes.ts'
import { type Intendant, startIntendant } from '../peers/intendant.ts'

const connections = 64
const lookEveryMs = 500
/** Schedules that are certainly made in a second, on a busy machine too. */
const madePerSecond = 250
const minuteMs = 60_000
/** What the contract of schedules promises. */
const latestMs = 1_000
const createdStatus = 201

/** How late slots are fired: many that are due over a minute, and the same many at one moment. */
export const schedules: Scenario = {
  id: 'B14',
  title: 'schedules',
  async *run(bench) {
    const count = bench.size(10_000, 1_000)
    await using server = await startIntendant({ dataDir: bench.scratch('schedules') })
    const before = memoryOf(server.pids)
    // Made beforehand: making them takes longer than their minute may.
    const from = begin(count)
    const within = Math.floor(minuteMs / count)
    await make(
      bench,
      server,
      Array.from({ length: count }, (_, n) => ({ name: `spread ${n}`, at: from + n * within })),
    )
    yield figure(measured(`memory of ${count} schedules`, memoryOf(server.pids) - before, 'MiB'))
    const spread = await fired(server, 'spread', { count, last: from + minuteMs })
    yield* figures(spread, `${count} slots over a minute`)
    const at = begin(count)
    await make(
      bench,
      server,
      Array.from({ length: count }, (_, n) => ({ name: `together ${n}`, at })),
    )
    yield* figures(await fired(server, 'together', { count, last: at }), `${count} slots at one moment`)
  },
}

/** A whole second at which so many schedules are made. */
const begin = (count: number): number => Math.ceil((Date.now() + (count / madePerSecond) * 1000) / 1000 + 3) * 1000

interface Slot {
  readonly name: string
  readonly at: number
}
interface Fired {
  readonly lateMs: readonly number[]
  readonly peakMiB: number
}

const make = async (bench: Bench, { url }: Intendant, slots: readonly Slot[]): Promise<void> => {
  const requests = slots.map(({ name, at }) => ({
    method: 'POST',
    path: '/v1/schedules',
    body: JSON.stringify({ name, kind: 'probe', input: {}, at: new Date(at).toISOString(), labels: { of: name.split(' ')[0] } }),
  }))
  await bench.load.run({ url, requests, status: createdStatus, connections, count: requests.length })
}

/** Looks on until all are fired, without a request that would disturb, and reads then how late each was. */
const fired = async (
  { url, pids }: Intendant,
  label: string,
  { count, last }: { readonly count: number; readonly last: number },
): Promise<Fired> => {
  let peakMiB = 0
  for (;;) {
    peakMiB = Math.max(peakMiB, memoryOf(pids))
    const lateMs = Date.now() < last + 3 * latestMs ? [] : await latenessOf(url, label)
    if (lateMs.length >= count) return { lateMs, peakMiB }
    await pause(lookEveryMs)
  }
}

const latenessOf = async (url: string, label: string): Promise<readonly number[]> => {
  const late: number[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const response = await fetch(`${url}/v1/operations?label=of:${label}&limit=1000${cursor && `&cursor=${cursor}`}`)
    const { items, next } = (await response.json()) as {
      readonly items: readonly { readonly requestedAt: string; readonly slot: string }[]
      readonly next: string | null
    }
    late.push(...items.map(({ requestedAt, slot }) => Date.parse(requestedAt) - Date.parse(slot)))
    cursor = next
  }
  return late
}

const measured = (metric: string, value: number, unit: string) => ({ scenario: 'B14', metric, value, unit })

function* figures({ lateMs, peakMiB }: Fired, what: string): Generator<Figure> {
  yield figure(measured(`${what}: late, p50`, percentile(lateMs, 0.5), 'ms'))
  yield figure(measured(`${what}: late, p99`, percentile(lateMs, 0.99), 'ms'))
  const goal = { floor: undefined, floorName: '', value: { atMost: latestMs } }
  yield figure(measured(`${what}: late, at most`, percentile(lateMs, 1), 'ms'), goal)
  yield figure(measured(`${what}: memory, peak`, peakMiB, 'MiB'))
}
