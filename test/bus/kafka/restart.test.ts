import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { canOwnKafka, ownKafka } from '../../engines/own.ts'
import { job, jobs, listen, openBus, settingsFor } from './harness.ts'

/** From the moment at which the broker is back. */
const flowsWithinMs = 10_000

describe.skipIf(!canOwnKafka)('a Kafka that goes away', () => {
  test('is waited for: jobs flow soon after it is back, whatever ended it', { timeout: 180_000 }, async () => {
    const kafka = await ownKafka()
    onTestFinished(() => kafka.stop())
    const settings = settingsFor(kafka.brokers)
    const publisher = await openBus(settings)
    const worker = await openBus(settings)
    const member = listen(worker)
    const before = jobs('before', 10)
    await publisher.publish(before)
    await member.heardAll(before)

    for (const [signal, awayMs] of [
      ['SIGKILL', 0],
      ['SIGTERM', 0],
      ['SIGKILL', 12_000],
    ] as const) {
      await kafka.kill(signal)
      const away = systemClock.sleep(awayMs)
      if (awayMs > 0) {
        while (publisher.connected() || worker.connected()) await systemClock.sleep(50)
        await expect(publisher.publish([job('nobody')])).rejects.toMatchObject({ name: 'Unavailable' })
      }
      await away
      await kafka.start()
      const back = systemClock.now()
      // The doorbell is rung until it is heard, as the supervisor does.
      const after = job(`after-${signal}-${awayMs}`)
      while (!member.heard.has(after.operationId)) {
        await publisher.publish([after]).catch(() => undefined)
        await systemClock.sleep(100)
      }
      expect(systemClock.now() - back).toBeLessThan(flowsWithinMs)
      while (!publisher.connected() || !worker.connected()) await systemClock.sleep(50)
    }
  })

  test('a job whose publishing was acknowledged is heard, though the broker is killed', { timeout: 120_000 }, async () => {
    const kafka = await ownKafka()
    onTestFinished(() => kafka.stop())
    const settings = settingsFor(kafka.brokers)
    const publisher = await openBus(settings)
    const member = listen(await openBus(settings))
    const acknowledged: string[] = []
    let isPublishing = true
    const publishing = (async () => {
      for (let at = 0; isPublishing; at++) {
        const one = job(`job-${at}`)
        publisher.publish([one]).then(
          () => acknowledged.push(one.operationId),
          () => undefined,
        )
        await systemClock.sleep(5)
      }
    })()
    await member.until(() => member.heard.size > 100)
    await kafka.kill('SIGKILL')
    await kafka.start()
    const again = member.heard.size
    await member.until(() => member.heard.size > again + 100)
    isPublishing = false
    await publishing
    const all = acknowledged.map((operationId) => job(operationId))
    expect(all.length).toBeGreaterThan(100)
    await member.heardAll(all)
  })

  test('a broker that freezes does not keep the bus from closing', { timeout: 60_000 }, async () => {
    const kafka = await ownKafka()
    onTestFinished(() => kafka.stop())
    const bus = await openBus(settingsFor(kafka.brokers))
    const member = listen(bus)
    await bus.publish([job('a')])
    await member.heardAll([job('a')])
    await kafka.kill('SIGSTOP')
    while (bus.connected()) await systemClock.sleep(50)
    const begun = systemClock.now()
    await member.stop()
    await bus.close()
    expect(systemClock.now() - begun).toBeLessThan(8_000)
    await kafka.kill('SIGCONT')
  })
})
