import type { Scenario } from '../lib/bench.ts'
import { acknowledgedStatus, succeededStatus } from '../lib/contender.ts'
import { feeds } from '../lib/feeds.ts'
import { figure } from '../lib/figure.ts'
import { type Latency, latencyOf, medianOf } from '../lib/latency.ts'
import type { WireRequest } from '../lib/load.ts'
import { interleaved } from '../lib/rounds.ts'
import { longHistory, seededDirectory } from '../lib/seeded.ts'
import { type Intendant, startIntendant } from '../peers/intendant.ts'

const perSecond = 200
const connections = 64
const fewEvents = 10_000
const readOperations = 1_000

/** Whether a long history makes it slower. */
export const growth: Scenario = {
  id: 'B10',
  title: 'writes and reads with a short and a long history',
  async *run(bench) {
    const short = await seededDirectory(bench, fewEvents)
    const long = await seededDirectory(bench, longHistory(bench))
    await using little = await startIntendant({ dataDir: short.dataDir })
    await using much = await startIntendant({ dataDir: long.dataDir })
    const count = perSecond * bench.size(10, 2)
    const measure = (server: Intendant, requests: readonly WireRequest[], status: number) => async (): Promise<Latency> => {
      const load = { url: server.url, requests, status, connections, pace: perSecond }
      await bench.load.run({ ...load, count: perSecond })
      return latencyOf((await bench.load.run({ ...load, count })).latencies)
    }
    const contenders = async (server: Intendant, name: string) => ({
      [`operations ${name}`]: measure(server, [server.submit], acknowledgedStatus),
      [`feed ${name}`]: measure(server, feeds(count), succeededStatus),
      [`read ${name}`]: measure(server, await oldOperations(server.url), succeededStatus),
    })
    const rounds = await interleaved<string, Latency>(bench.rounds, {
      ...(await contenders(little, 'little')),
      ...(await contenders(much, 'much')),
    })
    for (const [metric, name] of [
      ['POST /v1/operations', 'operations'],
      ['POST /feed', 'feed'],
      ['GET /v1/operations/{id}', 'read'],
    ] as const)
      yield figure(
        {
          scenario: 'B10',
          metric: `${metric} p50, ${long.events.toLocaleString('en-US')} events`,
          value: medianOf(rounds[`${name} much`], 'p50') ?? Number.NaN,
          unit: 'ms',
        },
        {
          floor: medianOf(rounds[`${name} little`], 'p50'),
          floorName: `${short.events.toLocaleString('en-US')} events`,
          ratio: { atMost: 1.3 },
        },
      )
  },
}

/** Reads of operations from the beginning of the history. */
const oldOperations = async (url: string): Promise<readonly WireRequest[]> => {
  const response = await fetch(`${url}/v1/operations?order=asc&limit=${readOperations}`)
  const { items } = (await response.json()) as { readonly items: readonly { readonly id: string }[] }
  return items.map(({ id }) => ({ method: 'GET', path: `/v1/operations/${id}` }))
}
