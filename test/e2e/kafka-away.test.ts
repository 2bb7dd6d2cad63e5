import { describe, expect, onTestFinished, test } from 'vitest'
import { canOwnEventStoreDb, canOwnKafka, ownEventStoreDb, ownKafka } from '../engines/own.ts'
import { type ClusterNode, openCluster } from './cluster.ts'
import { getJson, type Json, submitProbe, untilEnded } from './harness.ts'

const patience = { timeout: 90_000, interval: 100 }

const open = async () => {
  const [eventStoreDb, kafka] = await Promise.all([ownEventStoreDb(), ownKafka()])
  onTestFinished(async () => {
    await Promise.all([eventStoreDb.stop(), kafka.stop()])
  })
  return { kafka, cluster: openCluster({ eventStoreDbUrl: eventStoreDb.url, kafkaBrokers: kafka.brokers }) }
}

const kafkaCheck = async (node: ClusterNode): Promise<readonly [number, unknown]> => {
  const response = await fetch(`${node.url()}/readyz`)
  return [response.status, ((await response.json()) as { checks: Json }).checks.kafka]
}
const isReady = (node: ClusterNode) => expect.poll(() => kafkaCheck(node), patience).toEqual([200, 'ok'])
const isWithout = (node: ClusterNode) => expect.poll(async () => (await kafkaCheck(node))[0], patience).toBe(503)

describe.skipIf(!canOwnEventStoreDb || !canOwnKafka)('a Kafka that is away', { timeout: 240_000 }, () => {
  test('keeps nobody from starting: operations are taken and done once it comes', async () => {
    const { kafka, cluster } = await open()
    await kafka.kill('SIGKILL')
    const [server, worker] = [cluster.server('server'), cluster.worker('worker')]
    await Promise.all([server.start(), worker.start()])
    for (const node of [server, worker]) {
      expect((await fetch(`${node.url()}/livez`)).status).toBe(200)
      expect(await kafkaCheck(node)).toEqual([503, `no broker answers at ${kafka.brokers}`])
    }
    const id = await submitProbe(server.url(), { echo: 1 })
    expect(await getJson(`${server.url()}/v1/operations/${id}`)).toMatchObject({ state: 'pending' })

    await kafka.start()
    expect(await untilEnded(server.url(), id)).toMatchObject({ state: 'succeeded', result: { echo: 1 } })
    await Promise.all([isReady(server), isReady(worker)])
    for (const node of [server, worker]) {
      expect(await node.kill('SIGTERM')).toEqual({ code: 0, signal: null })
    }
  })

  test('and one that was restarted keep nobody from ending', async () => {
    const { kafka, cluster } = await open()
    const [server, worker] = [cluster.node('server', ['serve', '--json']), cluster.worker('worker')]
    await Promise.all([server.start(), worker.start()])
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await kafka.kill(signal)
      await Promise.all([isWithout(server), isWithout(worker)])
      await kafka.start()
      await Promise.all([isReady(server), isReady(worker)])
      const id = await submitProbe(server.url(), { echo: signal })
      expect(await untilEnded(server.url(), id)).toMatchObject({ state: 'succeeded' })
    }
    for (const node of [worker, server]) {
      expect(await node.kill('SIGTERM')).toEqual({ code: 0, signal: null })
    }

    const another = cluster.worker('another')
    await another.start()
    await kafka.kill('SIGKILL')
    await isWithout(another)
    expect(await another.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  })
})
