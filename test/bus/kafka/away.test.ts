import { describe, expect, onTestFinished, test } from 'vitest'
import { createKafkaBus } from '../../../src/bus/kafka/jobs/kafka-job-bus.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { canOwnKafka, ownKafka } from '../../engines/own.ts'
import { job, keptLog, listen, settingsFor } from './harness.ts'

describe.skipIf(!canOwnKafka)('a Kafka that is away at the start', () => {
  test('is waited for behind the start, and heard from as soon as it is there', async () => {
    const kafka = await ownKafka()
    onTestFinished(() => kafka.stop())
    await kafka.kill('SIGKILL')
    const bus = createKafkaBus({ settings: settingsFor(kafka.brokers), logger: keptLog().logger, clock: systemClock })
    onTestFinished(() => bus.close())
    await bus.start()
    expect(bus.connected()).toBe(false)
    const member = listen(bus)
    await expect(bus.publish([job('nobody')])).rejects.toMatchObject({ name: 'Unavailable' })

    await kafka.start()
    while (!bus.connected()) await systemClock.sleep(50)
    await bus.publish([job('a')])
    await member.heardAll([job('a')])
  })
})

test('a bus that never saw a broker can be closed', async () => {
  const bus = createKafkaBus({ settings: settingsFor('127.0.0.1:1'), logger: keptLog().logger, clock: systemClock })
  await bus.start()
  const stopping = new AbortController()
  const consuming = bus.consume({ kinds: ['probe'], concurrency: 1, signal: stopping.signal }, async () => undefined)
  await bus.close()
  await consuming
})
