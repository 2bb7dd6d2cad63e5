import { startNull } from '../floors/null.ts'
import type { Scenario } from '../lib/bench.ts'
import { acknowledgedStatus, type Contender } from '../lib/contender.ts'
import { figure } from '../lib/figure.ts'
import { startPeer } from '../lib/peers.ts'
import { median } from '../lib/percentiles.ts'
import { processorTimeOf } from '../lib/processes.ts'
import { interleaved, present } from '../lib/rounds.ts'
import { startIntendant } from '../peers/intendant.ts'

const inFlight = 64

/** How many operations that do nothing are submitted, carried out and recorded in a second. */
export const throughput: Scenario = {
  id: 'B2',
  title: `operations that do nothing, ${inFlight} in flight`,
  async *run(bench) {
    await using server = await startIntendant({ dataDir: bench.scratch('intendant') })
    await using nothing = await startNull({ log: `${bench.scratch('null')}.log` })
    await using bullmq = await startPeer('bullmq', bench)
    await using restate = await startPeer('restate', bench)
    const all = bench.size(20_000, 6_000)
    const complete = async (to: Contender, count: number): Promise<Sample> => {
      const used = processorTimeOf(to.pids)
      const since = Date.now()
      const begun = performance.now()
      await bench.load.run({ url: to.url, requests: [to.submit], status: acknowledgedStatus, connections: inFlight, count })
      await to.settled?.(count)
      const seconds = (performance.now() - begun) / 1000
      const usedMs = processorTimeOf(to.pids) - used
      const succeeded = (await to.succeeded?.(since)) ?? count
      if (succeeded !== count) throw new Error(`${to.name}: ${succeeded} of ${count} operations have succeeded`)
      return { perSecond: count / seconds, microseconds: (usedMs * 1000) / count }
    }
    const measure = async (to: Contender, count = all) => {
      await complete(to, Math.ceil(count / 2)) // warm-up
      return () => complete(to, count)
    }
    const rounds = await interleaved<string, Sample>(
      bench.rounds,
      present({
        intendant: await measure(server),
        null: await measure(nothing),
        bullmq: bullmq && (await measure(bullmq)),
        restate: restate && (await measure(restate, all / 4)),
      }),
    )
    const of = (name: string, part: keyof Sample = 'perSecond'): number | undefined =>
      rounds[name] && median(rounds[name].map((sample) => sample[part]))
    const measured = {
      scenario: 'B2',
      metric: 'submit → all succeeded',
      value: of('intendant') ?? Number.NaN,
      unit: 'operations/s',
    }
    yield figure(measured, { floor: of('bullmq'), floorName: 'BullMQ', ratio: { atLeast: 1.2 } })
    yield figure(measured, { floor: of('bullmq'), floorName: 'BullMQ, then', ratio: { atLeast: 2 } })
    yield figure(measured, { floor: of('restate'), floorName: 'Restate', ratio: { atLeast: 4 } })
    yield figure(measured, { floor: of('null'), floorName: 'null', ratio: { atLeast: 0.35 } })
    yield figure(measured, { floor: of('null'), floorName: 'null, then', ratio: { atLeast: 0.5 } })
    // Said beside the speed because it depends less on what else the machine does.
    const used = {
      scenario: 'B2',
      metric: 'processor time of one',
      value: of('intendant', 'microseconds') ?? Number.NaN,
      unit: 'µs',
    }
    yield figure(used, { floor: of('null', 'microseconds'), floorName: 'null' })
    yield figure(used, { floor: of('bullmq', 'microseconds'), floorName: 'BullMQ with redis' })
    yield figure(used, { floor: of('restate', 'microseconds'), floorName: 'Restate with its service' })
  },
}

interface Sample {
  readonly perSecond: number
  /** Of all processes but the client, for each operation. */
  readonly microseconds: number
}
