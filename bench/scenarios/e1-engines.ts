import type { BareAppends } from '../floors/eventstoredb-appends.ts'
import type { BareRound } from '../floors/kafka-round.ts'
import type { Bench, Scenario } from '../lib/bench.ts'
import { acknowledgedStatus, succeededStatus } from '../lib/contender.ts'
import { type EngineAddresses, findEngines } from '../lib/engines.ts'
import { figure } from '../lib/figure.ts'
import { type Latency, latencyOf, medianOf } from '../lib/latency.ts'
import { median } from '../lib/percentiles.ts'
import { interleaved } from '../lib/rounds.ts'
import { runTask } from '../lib/task.ts'
import { type Intendant, startIntendant } from '../peers/intendant.ts'

const perSecond = 200
const inFlight = 64
const appends = new URL('../floors/eventstoredb-appends.ts', import.meta.url)
const round = new URL('../floors/kafka-round.ts', import.meta.url)

/** Two servers and two workers on EventStoreDB and Kafka, beside bare appends and bare messages on the same. */
export const engines: Scenario = {
  id: 'E1',
  title: 'two servers and two workers on EventStoreDB and Kafka',
  async *run(bench) {
    await using found = await findEngines(bench)
    if (found === undefined) return
    await using cluster = await startCluster(bench, found)
    const { servers } = cluster
    const [first] = servers
    if (first === undefined) return
    const url = servers.map((server) => server.url)
    const count = bench.size(20_000, 2_000)
    const paced = perSecond * bench.size(10, 2)
    const complete = async (number: number): Promise<number> => {
      const since = Date.now()
      const begun = performance.now()
      await bench.load.run({ url, requests: [first.submit], status: acknowledgedStatus, connections: inFlight, count: number })
      // Each server's view holds what it accepted itself, so that together they miss nothing.
      await Promise.all(servers.map((server) => server.settled()))
      const seconds = (performance.now() - begun) / 1000
      const succeeded = await first.succeeded(since)
      if (succeeded !== number) throw new Error(`${succeeded} of ${number} operations have succeeded`)
      return number / seconds
    }
    const send = async (request: Intendant['submit'], status: number): Promise<Latency> => {
      const load = { url, requests: [request], status, connections: inFlight, pace: perSecond }
      await bench.load.run({ ...load, count: perSecond })
      return latencyOf((await bench.load.run({ ...load, count: paced })).latencies)
    }
    await complete(count / 4)
    const bare = { url: found.eventStoreDb, callers: inFlight, count, perSecond }
    const rounds = await interleaved<string, Sample>(bench.rounds, {
      appends: async () => sample(await runTask<BareAppends>(appends, bare)),
      round: async () => sample(await runTask<BareRound>(round, { brokers: found.kafka, perSecond })),
      acknowledge: async () => sample(await send(first.submit, acknowledgedStatus)),
      throughput: async () => sample({ perSecond: await complete(count) }),
      completion: async () => sample(await send(first.submitAndWait, succeededStatus)),
    })
    const of = (name: string, part: 'p50' | 'p99'): number => medianOf(rounds[name], part) ?? Number.NaN
    const speed = (name: string): number => median((rounds[name] ?? []).map((each) => each.perSecond))
    const measured = (metric: string, value: number, unit = 'ms') => ({ scenario: 'E1', metric, value, unit })
    for (const part of ['p50', 'p99'] as const)
      yield figure(measured(`acknowledged ${part}, 200/s`, of('acknowledge', part)), {
        floor: of('appends', 'p50'),
        floorName: 'bare append p50',
      })
    yield figure(measured('submit → all succeeded', speed('throughput'), 'operations/s'), {
      floor: speed('appends'),
      floorName: 'bare appends/s, 64 callers',
      ratio: { atLeast: 0.25 },
    })
    yield figure(measured('submit → succeeded p50, 200/s', of('completion', 'p50')), {
      floor: of('appends', 'p50') + of('round', 'p50'),
      floorName: 'bare append + produce → consume p50',
      ratio: { atMost: 3 },
    })
  },
}

interface Sample extends Latency {
  readonly perSecond: number
}
const sample = (measured: Partial<Sample>): Sample => ({
  p50: measured.p50 ?? Number.NaN,
  p99: measured.p99 ?? Number.NaN,
  perSecond: measured.perSecond ?? Number.NaN,
})

const startCluster = async (
  bench: Bench,
  { eventStoreDb, kafka }: EngineAddresses,
): Promise<AsyncDisposable & { readonly servers: readonly Intendant[] }> => {
  await using parts = new AsyncDisposableStack()
  const env = { EVENTSTOREDB_URL: eventStoreDb, KAFKA_BROKERS: kafka, KAFKA_TOPIC_PREFIX: `bench-${process.pid}` }
  const start = async (role: 'serve without workers' | 'worker', name: string): Promise<Intendant> =>
    parts.use(await startIntendant({ dataDir: bench.scratch(name), role, env }))
  const servers = [await start('serve without workers', 'server-a'), await start('serve without workers', 'server-b')]
  await start('worker', 'worker-a')
  await start('worker', 'worker-b')
  const started = parts.move()
  return { servers, [Symbol.asyncDispose]: () => started.disposeAsync() }
}
