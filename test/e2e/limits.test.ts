import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { canOwnEventStoreDb, canOwnKafka, ownEventStoreDb, ownKafka } from '../engines/own.ts'
import { limitRecord } from '../limit-record.ts'
import { openCluster } from './cluster.ts'
import { allEvents, getJson, type Json, startServer, submitProbe, untilEnded } from './harness.ts'

const set = async (url: string, key: string, body: Json): Promise<void> => {
  const headers = { 'Content-Type': 'application/json' }
  const response = await fetch(`${url}/v1/limits/${key}`, { method: 'PUT', headers, body: JSON.stringify(body) })
  if (response.status >= 300) throw new Error(await response.text())
}

const perMs = 400
const count = 12

/** Three at a time by one key, few starts by the other; some fail at first and come again. */
const submitAll = (url: string, many: number): Promise<readonly string[]> =>
  Promise.all(
    Array.from({ length: many }, (_, n) =>
      submitProbe(
        url,
        { sleepMs: 30, failAttempts: n % 5 === 0 ? 1 : 0 },
        { limits: n % 2 === 0 ? ['narrow', 'slow'] : ['narrow'] },
      ),
    ),
  )

const expectKept = async (url: string): Promise<void> => {
  const events = await allEvents(url)
  expect(limitRecord(events, 'narrow').most).toBe(3)
  expect(limitRecord(events, 'slow').shortestFor(count)).toBeGreaterThanOrEqual(perMs)
  for (const key of ['narrow', 'slow']) expect(await getJson(`${url}/v1/limits/${key}`)).toMatchObject({ running: 0, waiting: 0 })
}

test('a server that is killed again and again lets no more start than its limits say, and forgets none', {
  timeout: 180_000,
}, async () => {
  let server = await startServer()
  const { dataDir } = server
  await set(server.url, 'narrow', { concurrency: 3 })
  await set(server.url, 'slow', { rate: { count, perMs } })
  const ids = await submitAll(server.url, 80)
  for (const afterMs of [150, 40, 300]) {
    await systemClock.sleep(afterMs)
    server.kill('SIGKILL')
    await server.ended
    server = await startServer({ dataDir })
  }
  for (const id of ids) expect(await untilEnded(server.url, id)).toMatchObject({ state: 'succeeded' })
  await expectKept(server.url)
})

test.skipIf(!canOwnEventStoreDb || !canOwnKafka)(
  'two servers and two workers keep a limit together, also while they are killed',
  { timeout: 240_000 },
  async () => {
    const [eventStoreDb, kafka] = await Promise.all([ownEventStoreDb(), ownKafka()])
    onTestFinished(async () => {
      await Promise.all([eventStoreDb.stop(), kafka.stop()])
    })
    const env = { LEASE_MS: '3000', KAFKA_SESSION_TIMEOUT_MS: '6000' }
    const cluster = openCluster({ eventStoreDbUrl: eventStoreDb.url, kafkaBrokers: kafka.brokers, env })
    const [one, two] = [cluster.server('server-1'), cluster.server('server-2')]
    const [first, second] = [cluster.worker('worker-1'), cluster.worker('worker-2')]
    const nodes = [one, two, first, second]
    await Promise.all(nodes.map((node) => node.start()))
    await set(one.url(), 'narrow', { concurrency: 3 })
    await set(two.url(), 'slow', { rate: { count, perMs } })
    const ids = [...(await submitAll(one.url(), 60)), ...(await submitAll(two.url(), 60))]
    for (const node of [first, one, second, two]) {
      await systemClock.sleep(300)
      await node.kill('SIGKILL')
      await node.start()
    }
    const ended = await Promise.all(ids.map((id) => untilEnded(two.url(), id)))
    expect(ended.filter(({ state }) => state !== 'succeeded')).toEqual([])
    await expectKept(two.url())
  },
)
