import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { canOwnEventStoreDb, ownEventStoreDb } from '../engines/own.ts'
import { kafkaBrokers } from '../engines/running.ts'
import { openCluster } from './cluster.ts'
import { getJson, postJson, startServer, temporaryDirectory } from './harness.ts'

const names = ['one', 'two', 'three']

/** Each slot becomes an operation: a queue leaves out none, and all that were missed are caught up. */
const makeAll = async (url: string, everyMs: number): Promise<void> => {
  for (const name of names) {
    const body = { name, kind: 'probe', input: { echo: name }, everyMs, overlap: 'queue', catchUp: 'all' }
    expect((await postJson(`${url}/v1/schedules`, body)).status).toBe(201)
  }
}

interface Fired {
  readonly id: string
  readonly slot: string
  readonly state: string
}

const firedBy = async (url: string, name: string): Promise<readonly Fired[]> => {
  const { items } = await getJson(`${url}/v1/operations?schedule=${name}&limit=1000&order=asc`)
  return items as unknown as readonly Fired[]
}

const untilFired = async (url: string, count: number): Promise<void> => {
  for (const name of names) while ((await firedBy(url, name)).length < count) await systemClock.sleep(50)
}

/** Nothing lost, nothing twice: the slots of each schedule are those of its interval, from the first to the last, each once. */
const expectEachSlotOnce = async (url: string, everyMs: number): Promise<void> => {
  for (const name of names) {
    await postJson(`${url}/v1/schedules/${name}/pause`, {})
    const fired = await firedBy(url, name)
    const slots = fired.map(({ slot }) => Date.parse(slot)).sort((a, b) => a - b)
    expect(slots, name).toEqual(slots.map((_, n) => (slots[0] ?? 0) + n * everyMs))
    expect(new Set(fired.map(({ id }) => id)).size).toBe(slots.length)
    const { items } = await getJson(`${url}/v1/events?category=schedule&type=ScheduleSlotSkipped&limit=10`)
    expect(items).toEqual([])
    while ((await firedBy(url, name)).some(({ state }) => state !== 'succeeded')) await systemClock.sleep(50)
  }
}

test('a server that is killed again and again fires each slot once', { timeout: 120_000 }, async () => {
  const dataDir = temporaryDirectory()
  let server = await startServer({ dataDir })
  await makeAll(server.url, 250)
  for (let kills = 1; kills <= 3; kills++) {
    await untilFired(server.url, kills * 4)
    await systemClock.sleep(kills * 37)
    server.kill('SIGKILL')
    await server.ended
    server = await startServer({ dataDir })
  }
  await untilFired(server.url, 18)
  await expectEachSlotOnce(server.url, 250)
})

test.skipIf(!canOwnEventStoreDb || kafkaBrokers === undefined)(
  'of two servers one fires, and where it is killed the other one goes on: each slot once',
  { timeout: 180_000 },
  async () => {
    const eventStoreDb = await ownEventStoreDb()
    onTestFinished(() => eventStoreDb.stop())
    const cluster = openCluster({
      eventStoreDbUrl: eventStoreDb.url,
      kafkaBrokers: kafkaBrokers ?? '',
      env: { LOG_LEVEL: 'info' },
    })
    const servers = [cluster.server('server-1'), cluster.server('server-2')]
    const worker = cluster.worker('worker')
    await Promise.all([...servers, worker].map((node) => node.start()))
    const [first, second] = servers
    if (first === undefined || second === undefined) throw new Error('there are two servers')
    await makeAll(first.url(), 1_000)
    await untilFired(second.url(), 3)
    const holds = /"office":"native-schedules",.*"msg":"this node holds the office"/
    const [leader, other] = holds.test(first.output()) ? [first, second] : [second, first]
    expect(holds.test(leader.output())).toBe(true)
    await leader.kill('SIGKILL')
    const before = (await firedBy(other.url(), 'one')).length
    await untilFired(other.url(), before + 10)
    await leader.start()
    await untilFired(leader.url(), before + 12)
    await expectEachSlotOnce(leader.url(), 1_000)
  },
)
