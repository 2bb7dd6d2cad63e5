import type { Scenario } from '../lib/bench.ts'
import { acknowledgedStatus, succeededStatus } from '../lib/contender.ts'
import { figure } from '../lib/figure.ts'
import { type Latency, latencyOf, medianOf } from '../lib/latency.ts'
import { startLoadGenerator } from '../lib/load.ts'
import { interleaved } from '../lib/rounds.ts'
import { slowDisk } from '../lib/slow-disk.ts'
import { startIntendant } from '../peers/intendant.ts'

const writesPerSecond = 200
const readsPerSecond = 100
const connections = 64
const flushMs = 10

/** Whether reads wait for the disk while it is busy with writes. */
export const slowDiskReads: Scenario = {
  id: 'B1',
  title: `reads during acknowledged writes, each flush ${flushMs} ms longer`,
  async *run(bench) {
    const env = slowDisk(bench, flushMs)
    if (env === undefined) return
    await using server = await startIntendant({ dataDir: bench.scratch('intendant'), env })
    await using readers = startLoadGenerator()
    const seconds = bench.size(10, 2)
    const [body] = (
      await bench.load.run({
        url: server.url,
        requests: [server.submit],
        status: acknowledgedStatus,
        connections,
        pace: writesPerSecond,
        count: writesPerSecond,
        keepBodies: true,
      })
    ).bodies
    const writes = { url: server.url, requests: [server.submit], status: acknowledgedStatus, connections, pace: writesPerSecond }
    const reads = {
      url: server.url,
      requests: [server.read(body ?? '')],
      status: succeededStatus,
      connections,
      pace: readsPerSecond,
    }
    await readers.run({ ...reads, count: readsPerSecond * seconds }) // warm-up
    const rounds = await interleaved(bench.rounds, {
      both: async (): Promise<{ readonly read: Latency; readonly write: Latency }> => {
        const [read, write] = await Promise.all([
          readers.run({ ...reads, count: readsPerSecond * seconds }),
          bench.load.run({ ...writes, count: writesPerSecond * seconds }),
        ])
        return { read: latencyOf(read.latencies), write: latencyOf(write.latencies) }
      },
    })
    const of = (name: 'read' | 'write', part: keyof Latency): number =>
      medianOf(
        rounds.both.map((round) => round[name]),
        part,
      ) ?? Number.NaN
    yield figure({ scenario: 'B1', metric: 'slow disk: POST /v1/operations p50', value: of('write', 'p50'), unit: 'ms' })
    yield figure(
      { scenario: 'B1', metric: 'slow disk: GET /v1/operations/{id} p99', value: of('read', 'p99'), unit: 'ms' },
      { floor: undefined, floorName: '', value: { atMost: 5 } },
    )
  },
}
