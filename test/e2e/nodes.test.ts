import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { canOwnEventStoreDb, canOwnKafka, ownEventStoreDb, ownKafka } from '../engines/own.ts'
import { kafkaBrokers } from '../engines/running.ts'
import { type Cluster, type ClusterNode, openCluster } from './cluster.ts'
import { eventsOf, getJson, type Json, postJson, runCommand, submitProbe, untilEnded, untilState } from './harness.ts'

const timeout = 120_000
/** Terms of the office are five seconds; whoever waits for it looks more often than that. */
const movesWithinMs = 10_000
/** A node that stops gives the office away. */
const handsOverWithinMs = 3_000

const patience = { timeout: 30_000, interval: 50 }

const open = async (env: Readonly<Record<string, string>> = {}, brokers = kafkaBrokers ?? ''): Promise<Cluster> => {
  const eventStoreDb = await ownEventStoreDb()
  onTestFinished(() => eventStoreDb.stop())
  return openCluster({ eventStoreDbUrl: eventStoreDb.url, kafkaBrokers: brokers, env: { LOG_LEVEL: 'info', ...env } })
}

const startAll = (...nodes: readonly ClusterNode[]): Promise<unknown> => Promise.all(nodes.map((node) => node.start()))

const holdsOffice = (node: ClusterNode): boolean =>
  node.isUp() && /"office":"relay-and-supervisor",.*"msg":"this node holds the office"/.test(node.output())

const untilSomeoneLeads = async (nodes: readonly ClusterNode[]): Promise<ClusterNode> => {
  for (;;) {
    const leader = nodes.find(holdsOffice)
    if (leader !== undefined) return leader
    await systemClock.sleep(20)
  }
}

const viewsOf = (cluster: Cluster, name: string): readonly string[] => {
  const directory = join(cluster.directory, name)
  const views = readdirSync(directory).find((file) => file.startsWith('views-'))
  const files = views === undefined ? [] : readdirSync(join(directory, views))
  return [...new Set(files.map((file) => file.replace(/-v\d.*$/, '')))].sort()
}

const readiness = async (node: ClusterNode): Promise<{ readonly status: number; readonly body: Json }> => {
  const response = await fetch(`${node.url()}/readyz`)
  return { status: response.status, body: (await response.json()) as Json }
}

describe.skipIf(!canOwnEventStoreDb || kafkaBrokers === undefined)('many nodes', () => {
  test('what one server takes, another one shows at once to whoever brings the position, and a worker process does', {
    timeout,
  }, async () => {
    const cluster = await open()
    const [one, two] = [cluster.server('server-1'), cluster.server('server-2')]
    await startAll(one, two, cluster.worker('worker-1'), cluster.worker('worker-2'))
    for (let round = 0; round < 20; round++) {
      const [here, there] = round % 2 === 0 ? [one, two] : [two, one]
      const accepted = await postJson(`${here.url()}/v1/operations`, { kind: 'probe', input: { echo: round } })
      expect(accepted.status).toBe(202)
      const { id } = (await accepted.json()) as { id: string }
      const headers = { 'Event-Position': accepted.headers.get('event-position') ?? '' }
      expect((await fetch(`${there.url()}/v1/operations/${id}`, { headers })).status).toBe(200)
      expect(await untilEnded(there.url(), id)).toMatchObject({ state: 'succeeded', attempt: 1, result: { echo: round } })
    }
    expect((await readiness(one)).body).toEqual({
      status: 'ready',
      checks: { log: 'ok', projections: 'ok', disk: 'ok', kafka: 'ok' },
    })
  })

  test('a worker takes its kinds alone, builds only the views that they need, and answers how it is', { timeout }, async () => {
    const cluster = await open()
    const server = cluster.server('server')
    const crawler = cluster.node('crawler', ['worker', '--json', '--kinds', 'crawling.*'])
    await startAll(server, crawler)
    const id = await submitProbe(server.url(), { echo: 'for me' })
    expect(await getJson(`${server.url()}/v1/operations/${id}`)).toMatchObject({
      state: 'pending',
      waitingFor: { reason: 'worker' },
    })
    const prober = cluster.node('prober', ['worker', '--json', '--kinds', 'probe'])
    await prober.start()
    expect(await untilEnded(server.url(), id)).toMatchObject({ state: 'succeeded', attempt: 1 })
    expect(viewsOf(cluster, 'crawler')).toEqual(['crawling-counters', 'crawling-pages'])
    expect(viewsOf(cluster, 'prober')).toEqual([])
    expect(viewsOf(cluster, 'server')).toContain('operations')

    expect(await readiness(prober)).toEqual({
      status: 200,
      body: { status: 'ready', checks: { log: 'ok', projections: 'ok', disk: 'ok', kafka: 'ok', lease: 'ok' } },
    })
    expect(await getJson(`${prober.url()}/livez`)).toEqual({ status: 'ok' })
    const metrics = await fetch(`${prober.url()}/metrics`)
    expect(await metrics.text()).toContain('intendant_worker_running 0')
    expect((await fetch(`${prober.url()}/v1/operations`)).status).toBe(404)
  })

  test('a worker that is told to stop hands its work back, and another one takes it up without counting it', {
    timeout,
  }, async () => {
    const cluster = await open({ SHUTDOWN_GRACE_MS: '400' })
    const server = cluster.server('server')
    const first = cluster.worker('worker-1')
    await startAll(server, first)
    const id = await submitProbe(server.url(), { sleepMs: 60_000 }, { policy: { attempts: 1 } })
    const { worker } = await untilState(server.url(), id, 'running')
    const second = cluster.worker('worker-2')
    await second.start()
    const told = systemClock.now()
    expect(await first.kill('SIGTERM')).toEqual({ code: 0, signal: null })
    const moved = await untilState(server.url(), id, 'running')
    const tookMs = systemClock.now() - told
    expect(moved.worker).not.toBe(worker)
    expect(tookMs).toBeLessThan(handsOverWithinMs)
    const types = (await eventsOf(server.url(), id)).map(({ type }) => type).filter((type) => type !== 'OperationProgressed')
    expect(types).toEqual(['OperationRequested', 'OperationStarted', 'OperationAttemptFailed', 'OperationStarted'])
  })

  test('the office moves at once when its node stops, and soon when it dies', { timeout }, async () => {
    const cluster = await open()
    const servers = ['server-1', 'server-2', 'server-3'].map((name) => cluster.server(name))
    await startAll(...servers, cluster.worker('worker'))
    const took: Record<string, number> = {}
    for (const [signal, withinMs] of [
      ['SIGTERM', handsOverWithinMs],
      ['SIGKILL', movesWithinMs],
    ] as const) {
      const leader = await untilSomeoneLeads(servers)
      const rest = servers.filter((server) => server !== leader && server.isUp())
      const ended = leader.kill(signal)
      const told = systemClock.now()
      await ended
      const next = await untilSomeoneLeads(rest)
      took[signal] = systemClock.now() - told
      expect(took[signal], signal).toBeLessThan(withinMs)
      const id = await submitProbe(next.url(), { echo: signal })
      expect(await untilEnded(next.url(), id)).toMatchObject({ state: 'succeeded' })
    }
    console.log(`the office moved ${took.SIGTERM} ms after SIGTERM and ${took.SIGKILL} ms after SIGKILL`)
  })

  test('a data directory has one process; without Kafka there is one node', { timeout }, async () => {
    const cluster = await open()
    const server = cluster.server('server')
    await server.start()
    const second = cluster.node('second', ['worker'], { DATA_DIR: join(cluster.directory, 'server') })
    await expect(second.start()).rejects.toThrow(/in use by .*command serve/)

    const alone = cluster.node('alone', ['serve', '--json'], { KAFKA_BROKERS: '' })
    await server.kill('SIGKILL')
    await alone.start()
    const id = await submitProbe(alone.url(), { echo: 'alone' })
    expect(await untilEnded(alone.url(), id)).toMatchObject({ state: 'succeeded' })
    expect((await readiness(alone)).body).toEqual({
      status: 'ready',
      checks: { log: 'ok', projections: 'ok', disk: 'ok', lease: 'ok' },
    })
    expect(existsSync(join(cluster.directory, 'alone', 'log.db'))).toBe(false)
  })
})

test.skipIf(!canOwnEventStoreDb || !canOwnKafka)(
  'without Kafka a server says so and takes operations, which run when it is back',
  { timeout },
  async () => {
    const kafka = await ownKafka()
    onTestFinished(() => kafka.stop())
    const cluster = await open({}, kafka.brokers)
    const server = cluster.node('server', ['serve', '--json'])
    await server.start()
    await kafka.kill('SIGKILL')
    const status = async (): Promise<number> => (await readiness(server)).status
    await expect.poll(status, patience).toBe(503)
    expect((await readiness(server)).body).toMatchObject({
      status: 'failing',
      checks: { log: 'ok', kafka: expect.stringContaining(kafka.brokers) },
    })
    const id = await submitProbe(server.url(), { echo: 'later' })
    await kafka.start()
    expect(await untilEnded(server.url(), id)).toMatchObject({ state: 'succeeded', attempt: 1 })
    await expect.poll(status, patience).toBe(200)
  },
)

describe('a worker by itself', () => {
  test.each([
    [{}, 'EVENTSTOREDB_URL and KAFKA_BROKERS are not set'],
    [{ EVENTSTOREDB_URL: 'esdb://127.0.0.1:1?tls=false' }, 'KAFKA_BROKERS is not set'],
  ])('%j: says which settings it misses', async (env, message) => {
    const refused = await runCommand(['worker'], { env: env as Record<string, string> })
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain(message)
  })

  test('kinds that are none are a fault of the command line', async () => {
    const refused = await runCommand(['worker', '--kinds', '*.crawl'])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('*.crawl')
  })
})
