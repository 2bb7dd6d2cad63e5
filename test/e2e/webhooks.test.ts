import { expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { eventStoreDbUrl, kafkaBrokers } from '../engines/running.ts'
import { type Delivery, openReceiver } from '../http/receiver.ts'
import { openCluster } from './cluster.ts'
import { allEvents, getJson, type Json, postJson, type ServerProcess, startServer, submitProbe } from './harness.ts'

/** Requests of one webhook at a time: so many may be under way when a server is killed. */
const mostUnderWay = 16

const isOfStream = ({ event }: Delivery): boolean => event.type.startsWith('intendant.Operation')

/** Resolves when the webhook has delivered everything. */
const untilDone = async (url: string, name: string): Promise<Json> => {
  for (;;) {
    const webhook = await getJson(`${url}/v1/webhooks/${name}`)
    if (webhook.lag === 0 && webhook.failures === 0) return webhook
    await systemClock.sleep(50)
  }
}

test('kill -9 in the middle of deliveries: nothing is lost, order is kept, and only what was under way comes again', async () => {
  let refusing = 0
  const receiver = await openReceiver((_delivery, count) => (count % 23 === 0 && refusing++ < 8 ? 500 : 204))
  let server: ServerProcess = await startServer()
  const filter = { category: 'operation' }
  await postJson(`${server.url}/v1/webhooks`, { name: 'all', url: receiver.url, filter })
  const kills = 3
  for (let round = 0; round < kills; round++) {
    const before = receiver.deliveries.length
    await Promise.all(Array.from({ length: 40 }, (_, n) => submitProbe(server.url, { echo: n, output: 'x' })))
    await receiver.until((all) => all.length >= before + 30)
    server.kill('SIGKILL')
    await server.ended
    server = await startServer({ dataDir: server.dataDir })
  }
  const last = await submitProbe(server.url, { echo: 'last' })
  await receiver.until((all) =>
    all.some(({ event }) => event.subject === `operation-${last}` && event.type.endsWith('Succeeded')),
  )
  const webhook = await untilDone(server.url, 'all')
  expect(webhook).toMatchObject({ active: true, parked: 0, failures: 0 })

  const wanted = (await allEvents(server.url)).filter(({ stream }) => stream.startsWith('operation-'))
  const got = receiver.deliveries.filter(isOfStream)
  const first = new Map<string, number>()
  for (const [index, { event }] of got.entries()) if (!first.has(event.id)) first.set(event.id, index)
  expect(new Set(first.keys())).toEqual(new Set(wanted.map(({ id }) => id)))
  const streams = Map.groupBy(wanted, ({ stream }) => stream)
  for (const events of streams.values()) {
    const order = events.map(({ id }) => first.get(id) ?? -1)
    expect(order).toEqual([...order].sort((a, b) => a - b))
  }
  expect(got.length - wanted.length).toBeLessThanOrEqual(kills * mostUnderWay + refusing)
})

test.skipIf(eventStoreDbUrl === undefined || kafkaBrokers === undefined)(
  'of two servers one delivers; when either is killed, the other goes on',
  { timeout: 180_000 },
  async () => {
    const receiver = await openReceiver()
    const cluster = openCluster({ eventStoreDbUrl: eventStoreDbUrl ?? '', kafkaBrokers: kafkaBrokers ?? '' })
    const servers = [cluster.server('one'), cluster.server('two')] as const
    await Promise.all(servers.map((server) => server.start()))
    const name = newId()
    await postJson(`${servers[0].url()}/v1/webhooks`, { name, url: receiver.url, filter: { type: 'OperationRequested' } })
    const submitted: string[] = []
    const isDelivered = (id: string): boolean => receiver.deliveries.some(({ event }) => event.subject === `operation-${id}`)
    for (const [killed, other] of [
      [servers[0], servers[1]],
      [servers[1], servers[0]],
    ] as const) {
      for (let n = 0; n < 10; n++) submitted.push(await submitProbe(killed.url(), { echo: n }))
      await receiver.until(() => submitted.some(isDelivered))
      await killed.kill('SIGKILL')
      submitted.push(await submitProbe(other.url(), { echo: 'after' }))
      await receiver.until(() => submitted.every(isDelivered))
      await killed.start()
    }
    const ids = receiver.deliveries.map(({ event }) => event.id)
    expect(ids.length - new Set(ids).size).toBeLessThanOrEqual(servers.length * mostUnderWay)
  },
)
