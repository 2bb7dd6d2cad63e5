import type { Bench, Scenario } from '../lib/bench.ts'
import { acknowledgedStatus } from '../lib/contender.ts'
import { figure } from '../lib/figure.ts'
import { startFollowers } from '../lib/followers.ts'
import type { WireRequest } from '../lib/load.ts'
import { median } from '../lib/percentiles.ts'
import { processorTimeOf, startProgram } from '../lib/processes.ts'
import { interleaved } from '../lib/rounds.ts'
import { startIntendant } from '../peers/intendant.ts'

const perSecond = 20
const type = 'OperationSucceeded'

/** What it costs to tell many who follow the log. */
export const follow: Scenario = {
  id: 'B6',
  title: 'server-sent events, 500 clients',
  async *run(bench) {
    await using server = await startIntendant({ dataDir: bench.scratch('intendant') })
    await using raw = await startProgram({
      command: process.execPath,
      args: [new URL('../floors/sse-server.ts', import.meta.url).pathname],
      ready: /ready on (http:\S+)/,
      log: `${bench.scratch('raw')}.log`,
    })
    const clients = bench.size(500, 100)
    const events = perSecond * bench.size(10, 3)
    const measure = (of: Measured) => delivery(bench, of, clients, events)
    const rounds = await interleaved(bench.rounds, {
      intendant: () =>
        measure({ url: server.url, pid: server.pids[0] ?? 0, path: `/v1/events?type=${type}`, submit: server.submit }),
      raw: () => measure({ url: raw.said, pid: raw.pid, path: '/', submit: { method: 'POST', path: '/', body: '{}' } }),
    })
    const cost = (name: keyof typeof rounds): number => median(rounds[name].map(({ microseconds }) => microseconds))
    yield figure(
      { scenario: 'B6', metric: 'processor time of one delivery', value: cost('intendant'), unit: 'µs' },
      { floor: cost('raw'), floorName: 'raw node:http', ratio: { atMost: 1.5 } },
    )
    const complete = rounds.intendant.filter(({ isComplete }) => isComplete).length
    yield figure(
      { scenario: 'B6', metric: 'rounds with every event in order', value: complete, unit: `of ${bench.rounds}` },
      { floor: undefined, floorName: '', value: { atLeast: bench.rounds } },
    )
  },
}

interface Measured {
  readonly url: string
  readonly pid: number
  readonly path: string
  readonly submit: WireRequest
}

/** Processor time for each event to each client; what the same load costs without clients is taken off. */
const delivery = async (bench: Bench, { url, pid, path, submit }: Measured, clients: number, events: number) => {
  const load = { url, requests: [submit], status: acknowledgedStatus, connections: 4, pace: perSecond, count: events }
  const cost = async (work: () => Promise<unknown>): Promise<number> => {
    const before = processorTimeOf([pid])
    await work()
    return processorTimeOf([pid]) - before
  }
  const alone = await cost(() => bench.load.run(load))
  const { ended } = await startFollowers({ url, path: await pathFrom(url, path), clients, events })
  const told = await cost(() => Promise.all([bench.load.run(load), ended]))
  const { deliveries, inOrder } = await ended
  return { microseconds: ((told - alone) * 1000) / deliveries, isComplete: inOrder && deliveries === clients * events }
}

/** Followers begin at the head of now, not where the load without clients began. */
const pathFrom = async (url: string, path: string): Promise<string> => {
  if (!path.startsWith('/v1/')) return path
  const { head } = (await (await fetch(`${url}/v1/events?limit=1`)).json()) as { readonly head: string }
  return `${path}&after=${head}`
}
