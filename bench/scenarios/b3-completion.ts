import type { Scenario } from '../lib/bench.ts'
import { type Contender, succeededStatus } from '../lib/contender.ts'
import { figure } from '../lib/figure.ts'
import { type Latency, latencyOf, medianOf } from '../lib/latency.ts'
import { startPeer } from '../lib/peers.ts'
import { interleaved, present } from '../lib/rounds.ts'
import { startIntendant } from '../peers/intendant.ts'

const perSecond = 200
const connections = 64

/** How long an operation that does nothing takes from its submission to its success, as its client sees it. */
export const completion: Scenario = {
  id: 'B3',
  title: `submit → succeeded, ${perSecond}/s`,
  async *run(bench) {
    await using server = await startIntendant({ dataDir: bench.scratch('intendant') })
    await using bullmq = await startPeer('bullmq', bench)
    await using restate = await startPeer('restate', bench)
    const seconds = bench.size(10, 2)
    const send = (to: Contender | undefined) => {
      const request = to?.submitAndWait
      if (to === undefined || request === undefined) return undefined
      const load = { url: to.url, requests: [request], status: succeededStatus, connections, pace: perSecond }
      return async (): Promise<Latency> => {
        await bench.load.run({ ...load, count: perSecond })
        return latencyOf((await bench.load.run({ ...load, count: seconds * perSecond })).latencies)
      }
    }
    const rounds = await interleaved<string, Latency>(
      bench.rounds,
      present({ intendant: send(server), bullmq: send(bullmq), restate: send(restate) }),
    )
    const measured = (part: keyof Latency) => ({
      scenario: 'B3',
      metric: `submit → succeeded ${part}`,
      value: medianOf(rounds.intendant, part) ?? Number.NaN,
      unit: 'ms',
    })
    yield figure(measured('p50'), { floor: medianOf(rounds.bullmq, 'p50'), floorName: 'BullMQ p50', ratio: { atMost: 1 } })
    yield figure(measured('p50'), { floor: medianOf(rounds.restate, 'p50'), floorName: 'Restate p50', ratio: { atMost: 0.5 } })
    yield figure(measured('p99'), { floor: medianOf(rounds.bullmq, 'p99'), floorName: 'BullMQ p99', ratio: { atMost: 1 } })
  },
}
