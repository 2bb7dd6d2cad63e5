import { setTimeout as pause } from 'node:timers/promises'
import { startNull } from '../floors/null.ts'
import type { Bench, Scenario } from '../lib/bench.ts'
import { acknowledgedStatus, type Contender, succeededStatus } from '../lib/contender.ts'
import { figure } from '../lib/figure.ts'
import type { WireRequest } from '../lib/load.ts'
import { startPeer } from '../lib/peers.ts'
import { median } from '../lib/percentiles.ts'
import { interleaved, present } from '../lib/rounds.ts'
import { startIntendant } from '../peers/intendant.ts'

const connections = 16
const finished = 1_000
const lookEveryMs = 10

/** How many finished operations are read in a second. */
export const read: Scenario = {
  id: 'B4',
  title: 'reading finished operations',
  async *run(bench) {
    // Answers are left to be polled: with the default a feed waits for its answer and hands it out itself.
    await using server = await startIntendant({ dataDir: bench.scratch('intendant'), env: { CRAWLING_RESPONSE_WAIT_MS: '0' } })
    await using nothing = await startNull({ log: `${bench.scratch('null')}.log` })
    await using bullmq = await startPeer('bullmq', bench)
    const count = bench.size(20_000, 10_000)
    const polls = count / 10
    const reads = async (to: Contender) => {
      const requests = await finishedOperations(bench, to)
      const send = (number: number) =>
        bench.load.run({ url: to.url, requests, status: succeededStatus, connections, count: number })
      await send(count) // warm-up
      return async (): Promise<number> => count / ((await send(count)).elapsedMs / 1000)
    }
    let asked = 0
    const poll = async (): Promise<number> => {
      const requests = await answersToPoll(bench, server.url, polls, `${asked++}`)
      const { elapsedMs } = await bench.load.run({
        url: server.url,
        requests,
        status: succeededStatus,
        connections,
        count: polls,
      })
      return polls / (elapsedMs / 1000)
    }
    await poll() // warm-up
    const rounds = await interleaved<string, number>(
      bench.rounds,
      present({ get: await reads(server), poll, null: await reads(nothing), bullmq: bullmq && (await reads(bullmq)) }),
    )
    const of = (name: string): number | undefined => rounds[name] && median(rounds[name])
    for (const [metric, name] of [
      ['GET /v1/operations/{id}', 'get'],
      ['POST /poll', 'poll'],
    ] as const) {
      const measured = { scenario: 'B4', metric, value: of(name) ?? Number.NaN, unit: 'requests/s' }
      yield figure(measured, { floor: of('null'), floorName: 'null GET', ratio: { atLeast: 0.7 } })
      yield figure(measured, { floor: of('bullmq'), floorName: 'BullMQ getState', ratio: { atLeast: 1.3 } })
    }
  },
}

/** Has operations carried out; answers the requests that read them. */
const finishedOperations = async (bench: Bench, to: Contender): Promise<readonly WireRequest[]> => {
  const submitted = {
    url: to.url,
    requests: [to.submit],
    status: acknowledgedStatus,
    connections,
    count: finished,
    keepBodies: true,
  }
  const { bodies } = await bench.load.run(submitted)
  await to.settled?.()
  return bodies.flatMap((body) => to.read?.(body) ?? [])
}

/** Feeds requests for information and waits until all are answered; answers the polls, each good for once. */
const answersToPoll = async (bench: Bench, url: string, count: number, round: string): Promise<readonly WireRequest[]> => {
  const uuids = Array.from({ length: count }, (_, index) => `poll-${round}-${index}`)
  const requests = uuids.map((uuid) => ({
    method: 'POST',
    path: '/feed',
    body: JSON.stringify({ action: 'info', appid: 'bench', spiderid: 'link', uuid }),
  }))
  await bench.load.run({ url, requests, status: succeededStatus, connections, count })
  const open = `${url}/v1/operations?state=pending&state=running&kind=crawling.info&limit=1`
  while (((await (await fetch(open)).json()) as { readonly items: readonly unknown[] }).items.length > 0) await pause(lookEveryMs)
  return uuids.map((uuid) => ({ method: 'POST', path: '/poll', body: JSON.stringify({ poll_id: uuid }) }))
}
