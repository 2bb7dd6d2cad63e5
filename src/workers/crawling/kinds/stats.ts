import { StatsRequest } from '../../../commands/crawling/requests.ts'
import { spiders } from '../../../commands/crawling/spiders.ts'
import { type CounterQueries, counterQueries, type WindowCounts } from '../../../projections/crawling/counters.ts'
import { crawlQueries } from '../../../projections/crawling/crawl-queries.ts'
import type { QueueStats } from '../../../projections/crawling/crawl-rows.ts'
import { crawlKind } from '../../../projections/crawling/pages.ts'
import type { Leases } from '../../../stores/leases.ts'
import type { Work } from '../../work.ts'
import { liveServers } from '../topics/heartbeat.ts'
import { type AnsweringPorts, answeringPolicy, caughtUp, serverTime } from './answering.ts'

export interface StatsPorts extends AnsweringPorts {
  readonly leases: Leases
}

/** Counters, live nodes and queues, by kind. Source: crawling contract, section 5.6. */
export const statsWork = (ports: StatsPorts): Work<StatsRequest> => ({
  kind: 'crawling.stats',
  face: 'crawling',
  description: 'Counts requests, fetches and queues, for rolling windows and the whole lifetime, and lists the live nodes',
  submittable: false,
  input: StatsRequest,
  policy: answeringPolicy,
  run: async ({ uuid, appid, stats }) => {
    await caughtUp(ports, ['crawling-pages', 'crawling-counters'])
    return { stats, appid, uuid, server_time: serverTime(ports.clock), ...answersOf(ports)[stats]() } as never
  },
})

/** What each kind adds to the members that all have. */
const answersOf = ({ projections, leases, clock }: StatsPorts): Record<StatsRequest['stats'], () => object> => {
  const now = clock.now()
  const counters = counterQueries(projections.views('crawling-counters'))
  const workers = leases.live(clock.monotonic()).map(({ worker, host, kinds }) => ({ id: worker, host, kinds }))
  const thatDo = (kind: string): Nodes => nodesOf(workers.filter(({ kinds }) => kinds.includes(kind)))

  const monitor = (counted: 'incoming' | 'monitor', nodes: Nodes): object => {
    const { total, fail, ...plugins } = counters.requests(counted, now)
    return { nodes, total: total ?? {}, ...(fail === undefined ? {} : { fail }), plugins }
  }
  const spider = (): object => ({ spiders: spidersOf(counters, now, thatDo(crawlKind)) })
  const machine = (): object => ({ machines: machinesOf(counters, now) })
  const queue = (): object => queuesOf(crawlQueries(projections.views('crawling-pages')).queueStats())
  const crawler = (): object => {
    const queues = queue()
    // The original's documents say `queues` and its code `queue`.
    return { ...spider(), ...machine(), queue: queues, queues }
  }
  const kafka = (): object => monitor('incoming', thatDo('crawling.stats'))
  const redis = (): object => monitor('monitor', thatDo('crawling.stats'))
  const rest = (): object => ({ nodes: nodesOf(liveServers(leases, clock.monotonic())) })
  return {
    'kafka-monitor': kafka,
    'redis-monitor': redis,
    crawler,
    spider,
    machine,
    queue: () => ({ queues: queue() }),
    rest,
    all: () => ({ 'kafka-monitor': kafka(), 'redis-monitor': redis(), crawler: crawler(), rest: rest() }),
  }
}

type Nodes = Readonly<Record<string, readonly string[]>>

const nodesOf = (nodes: readonly { readonly host: string; readonly id: string }[]): Nodes => {
  const byHost = new Map<string, string[]>()
  for (const { host, id } of nodes) byHost.set(host, [...(byHost.get(host) ?? []), id])
  return Object.fromEntries(byHost)
}

type ByCode = Record<string, WindowCounts | number>

const spidersOf = (counters: CounterQueries, now: number, nodes: Nodes): object => {
  const live = Object.values(nodes).flat().length
  const counted = new Map<string, ByCode>()
  for (const name of live > 0 ? spiders : []) counted.set(name, { count: live })
  for (const { name, code, counts } of counters.bySpider(now)) {
    const known: ByCode = counted.get(name) ?? { count: 0 }
    counted.set(name, { ...known, [code]: counts })
  }
  const unique = live > 0 ? spiders.length : 0
  return { unique_spider_count: unique, total_spider_count: unique * live, ...Object.fromEntries(counted) }
}

const machinesOf = (counters: CounterQueries, now: number): object => {
  const counted = new Map<string, ByCode>()
  for (const { name, code, counts } of counters.byHost(now)) counted.set(name, { ...counted.get(name), [code]: counts })
  return { count: counted.size, ...Object.fromEntries(counted) }
}

const queuesOf = ({ total, spiders: backlogs }: QueueStats): object => ({
  total_backlog: total,
  ...Object.fromEntries(
    backlogs.map(({ spiderid, backlog, domains }) => [
      `queue_${spiderid}`,
      { spider_backlog: backlog, num_domains: domains.length, domains },
    ]),
  ),
})
