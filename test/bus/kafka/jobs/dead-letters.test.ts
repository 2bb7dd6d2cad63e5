import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Message } from 'kafkajs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createKafka, partitioner } from '../../../../src/bus/kafka/client.ts'
import type { KafkaSettings } from '../../../../src/bus/kafka/settings.ts'
import { kafkaBrokers } from '../../../engines/running.ts'
import { job, keptLog, listen, openBus, settingsFor, untilLogged } from '../harness.ts'

/** Runs the program as a person would. */
const intendant = async (settings: KafkaSettings, ...words: readonly string[]) => {
  const { stdout } = await promisify(execFile)(process.execPath, ['bin/intendant.js', 'dead-letters', ...words, '--json'], {
    env: { KAFKA_BROKERS: settings.brokers.join(','), KAFKA_TOPIC_PREFIX: settings.topicPrefix, KAFKA_PARTITIONS: '4' },
  })
  return JSON.parse(stdout)
}

/** Puts messages of anybody's into the topic of jobs. */
const send = async (settings: KafkaSettings, messages: Message[]): Promise<void> => {
  const producer = createKafka({ settings, logger: keptLog().logger }).producer({ createPartitioner: partitioner })
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  await producer.send({ topic: `${settings.topicPrefix}.jobs`, messages })
}

describe.skipIf(kafkaBrokers === undefined)('dead letters', () => {
  const settings = () => settingsFor(kafkaBrokers ?? '')

  test('what is no job is put aside as it was, and what comes after it is heard', async () => {
    const ours = settings()
    const bus = await openBus(ours)
    const bytes = Buffer.from([0xff, 0x00, 0xfe])
    await send(ours, [
      { partition: 0, key: 'a key', value: 'not JSON {', headers: { colour: 'red' } },
      { partition: 0, value: bytes },
      { partition: 0, value: null },
      { partition: 0, value: '{"operationId":7}' },
      { partition: 0, value: JSON.stringify(job('good')) },
    ])
    const member = listen(bus)
    await member.heardAll([job('good')])
    expect([...member.heard.keys()]).toEqual(['good'])
    await member.stop()

    const { items } = await intendant(ours, 'ls')
    const found = items.sort((one: { offset: string }, other: { offset: string }) => Number(one.offset) - Number(other.offset))
    expect(found).toMatchObject([
      { offset: '0', reason: 'it is not JSON', key: 'a key', value: 'not JSON {' },
      { offset: '1', reason: 'it is not JSON', key: null, valueBase64: bytes.toString('base64') },
      { offset: '2', reason: 'it has no value', value: null },
      { offset: '3', reason: expect.stringMatching(/^it is not a job: operationId/), value: '{"operationId":7}' },
    ])
    for (const item of found)
      expect(item).toMatchObject({ topic: `${ours.topicPrefix}.jobs`, partition: 0, at: expect.stringMatching(/^\d{4}-.*Z$/) })
    expect((await intendant(ours, 'ls', '--limit', '1')).items).toHaveLength(1)
    expect(await intendant(ours, 'discard', found[0].id)).toEqual({ discarded: [found[0].id] })
    expect((await intendant(ours, 'ls')).items).toHaveLength(3)
    expect((await intendant(ours, 'discard', '--all')).discarded).toHaveLength(3)
    expect((await intendant(ours, 'ls')).items).toEqual([])
  })

  test('a message that two groups stumble over is one letter', async () => {
    const ours = settings()
    const { logger, lines } = keptLog('warn')
    const bus = await openBus(ours, logger)
    await send(ours, [{ value: 'poison' }])
    const stop = new AbortController()
    const groups = ['one', 'other'].map((kind) =>
      bus.consume({ kinds: [kind], concurrency: 1, signal: stop.signal }, async () => undefined),
    )
    while (lines.filter((line) => line.includes('a message goes to the dead letters')).length < 2)
      await untilLogged(lines, 'a message goes to the dead letters').then(() => new Promise((resolve) => setImmediate(resolve)))
    stop.abort()
    await Promise.all(groups)
    expect((await intendant(ours, 'ls')).items).toHaveLength(1)
  })

  test('a job whose handling throws again and again is put aside; redriven, it is heard and listed no more', async () => {
    const ours = settings()
    const { logger, lines } = keptLog('warn')
    const bus = await openBus(ours, logger)
    const bad = job('bad', { key: 'a lane' })
    let isBroken = true
    const member = listen(bus, async ({ operationId }) => {
      if (isBroken && operationId === 'bad') throw new TypeError('a bug')
    })
    await bus.publish([bad, job('good')])
    await member.heardAll([job('good')])
    await untilLogged(lines, 'a message goes to the dead letters')
    expect(member.heard.get('bad')).toBe(5)

    const listed = async () => (await intendant(ours, 'ls')).items
    let items = await listed()
    while (items.length === 0) items = await listed()
    expect(items).toMatchObject([{ operationId: 'bad', key: 'a lane', reason: 'handling failed 5 times: a bug' }])
    isBroken = false
    expect(await intendant(ours, 'redrive', items[0].id)).toEqual({ redriven: [items[0].id] })
    await member.until(() => member.heard.get('bad') === 6)
    expect(await listed()).toEqual([])
    expect(await intendant(ours, 'redrive', '--all')).toEqual({ redriven: [] })
    await expect(intendant(ours, 'redrive', items[0].id)).rejects.toMatchObject({ code: 3 })
  })
})
