import { appendAndFlush } from '../floors/fdatasync.ts'
import { startNull } from '../floors/null.ts'
import type { Scenario } from '../lib/bench.ts'
import { acknowledgedStatus, type Contender, succeededStatus } from '../lib/contender.ts'
import { feeds } from '../lib/feeds.ts'
import { figure } from '../lib/figure.ts'
import { type Latency, latencyOf, medianOf } from '../lib/latency.ts'
import type { WireRequest } from '../lib/load.ts'
import { startPeer } from '../lib/peers.ts'
import { interleaved, present } from '../lib/rounds.ts'
import { startIntendant } from '../peers/intendant.ts'

const perSecond = 200
const connections = 64
const flushes = 400

/** How soon a write is acknowledged that is on the disk. */
export const acknowledge: Scenario = {
  id: 'B1',
  title: `acknowledged writes, ${perSecond}/s`,
  async *run(bench) {
    const disk = bench.scratch('disk')
    await using server = await startIntendant({ dataDir: bench.scratch('intendant') })
    await using nothing = await startNull({ log: `${disk}.log` })
    await using bullmq = await startPeer('bullmq', bench)
    const seconds = bench.size(30, 2)
    const send = (to: Contender, requests: readonly WireRequest[], status: number) => async (): Promise<Latency> => {
      const load = { url: to.url, requests, status, connections, pace: perSecond }
      await bench.load.run({ ...load, count: perSecond })
      return latencyOf((await bench.load.run({ ...load, count: seconds * perSecond })).latencies)
    }
    const rounds = await interleaved<string, Latency>(
      bench.rounds,
      present({
        operations: send(server, [server.submit], acknowledgedStatus),
        feed: send(server, feeds(seconds * perSecond), succeededStatus),
        null: send(nothing, [nothing.submit], acknowledgedStatus),
        bullmq: bullmq && send(bullmq, [bullmq.submit], acknowledgedStatus),
        flush: async () => latencyOf(appendAndFlush(disk, flushes)),
      }),
    )
    const of = (name: string, part: keyof Latency): number | undefined => medianOf(rounds[name], part)
    const durable = (of('null', 'p50') ?? Number.NaN) + (of('flush', 'p50') ?? Number.NaN)
    for (const [metric, name] of [
      ['POST /v1/operations', 'operations'],
      ['POST /feed', 'feed'],
    ] as const) {
      const measured = (part: keyof Latency) => ({
        scenario: 'B1',
        metric: `${metric} ${part}`,
        value: of(name, part) ?? Number.NaN,
        unit: 'ms',
      })
      yield figure(measured('p50'), { floor: of('bullmq', 'p50'), floorName: 'BullMQ p50', ratio: { atMost: 1 } })
      yield figure(measured('p50'), { floor: durable, floorName: 'null p50 + one fdatasync', ratio: { atMost: 2.5 } })
      yield figure(measured('p99'), { floor: of('bullmq', 'p99'), floorName: 'BullMQ p99', ratio: { atMost: 1 } })
    }
  },
}
