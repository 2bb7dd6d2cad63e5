import { describe, expect, test } from 'vitest'
import type { KafkaBus } from '../../../src/bus/kafka/jobs/kafka-job-bus.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { kafkaBrokers } from '../../engines/running.ts'
import { job, jobs, keptLog, listen, openBus, settingsFor, untilLogged } from './harness.ts'

/** Lines of the log that say that a member has got its partitions. */
const shares = (lines: readonly string[]): number[] =>
  lines.filter((line) => line.includes('"msg":"joined the group"')).map((line) => JSON.parse(line).partitions)

describe.skipIf(kafkaBrokers === undefined)('a group of workers on Kafka', () => {
  const settings = () => settingsFor(kafkaBrokers ?? '')

  test('shares the jobs', async () => {
    const ours = settings()
    const { logger, lines } = keptLog('debug')
    const bus = await openBus(ours, logger)
    const one = listen(bus)
    const other = listen(await openBus(ours, logger))
    // Both have half of the partitions.
    while (shares(lines).slice(-2).join() !== '2,2') await systemClock.sleep(20)
    const sent = jobs('shared', 40)
    await bus.publish(sent)
    const isHeard = () => sent.every(({ operationId }) => one.heard.has(operationId) || other.heard.has(operationId))
    await Promise.race([one.until(isHeard), other.until(isHeard)])
    expect(one.heard.size).toBeGreaterThan(0)
    expect(other.heard.size).toBeGreaterThan(0)
    expect(one.heard.size + other.heard.size).toBe(40)
  })

  test('loses nothing to a member that stops, and hears at once what waited there', async () => {
    const ours = settings()
    const bus = await openBus(ours)
    const { promise: claimed, resolve: claim } = Promise.withResolvers<void>()
    // It has taken all of them, handles eight, and is told to stop before it has claimed one.
    const busy = listen(bus, () => claimed)
    const sent = jobs('waiting', 100)
    await bus.publish(sent)
    await busy.until(() => busy.heard.size === 8)
    const next = listen(await openBus(ours))
    const begun = systemClock.now()
    const stopped = busy.stop()
    await next.heardAll(sent)
    expect(systemClock.now() - begun).toBeLessThan(5_000)
    claim()
    await stopped
    expect(busy.heard.size).toBe(8)
  })

  test('takes back a member that was frozen past its session', async () => {
    const ours = settings()
    const member = listen(await openBus(ours))
    const publisher = await openBus(ours)
    await publisher.publish([job('before')])
    await member.heardAll([job('before')])
    // Nothing of this process runs meanwhile, as after SIGSTOP: no heartbeat goes out.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ours.sessionTimeoutMs + 1_500)
    await publisher.publish([job('after')])
    await member.heardAll([job('after')])
  })

  test('leaves quickly', async () => {
    const bus = await openBus(settings())
    const member = listen(bus)
    await bus.publish([job('a')])
    await member.heardAll([job('a')])
    const begun = systemClock.now()
    await member.stop()
    expect(systemClock.now() - begun).toBeLessThan(2_000)
  })

  test('members of other kinds hear of everything and are handed their own', async () => {
    const ours = settings()
    const bus = await openBus(ours)
    const probes = listen(bus)
    const stopping = new AbortController()
    const both: string[] = []
    const { promise: done, resolve } = Promise.withResolvers<void>()
    const ended = bus.consume({ kinds: ['probe', 'other'], concurrency: 1, signal: stopping.signal }, async ({ operationId }) => {
      if (both.push(operationId) === 2) resolve()
    })
    await bus.publish([job('a'), job('b', { kind: 'other' })])
    await Promise.all([probes.heardAll([job('a')]), done])
    expect(both.sort()).toEqual(['a', 'b'])
    expect([...probes.heard.keys()]).toEqual(['a'])
    stopping.abort()
    await ended
  })

  test('goes on while members come and go, and every job is heard', { timeout: 120_000 }, async () => {
    const ours = settings()
    const { logger, lines } = keptLog('info')
    const publisher = await openBus(ours, logger)
    const changes = Number(process.env.TEST_REBALANCE_CHANGES ?? 12)
    const buses: KafkaBus[] = []
    for (let count = 0; count < 3; count++) buses.push(await openBus(ours, logger))
    const busAt = (at: number) => buses[at % buses.length] as KafkaBus
    const heard = new Set<string>()
    const member = (at: number) => listen(busAt(at), async ({ operationId }) => void heard.add(operationId))

    const present = [member(0), member(1)]
    let sent = 0
    let isChanging = true
    const publishing = (async () => {
      for (; isChanging; sent += 20) {
        await publisher.publish(Array.from({ length: 20 }, (_, at) => job(`coming-${sent + at}`)))
        await systemClock.sleep(50)
      }
    })()
    for (let change = 0; change < changes; change++) {
      await systemClock.sleep(1_000)
      if (change % 2 === 0) present.push(member(change))
      else await present.shift()?.stop()
    }
    isChanging = false
    await publishing
    const last = present.at(-1)
    if (last === undefined) throw new Error('nobody is left')
    for (const other of present.slice(0, -1)) await other.stop()
    // What is published now has to be heard by the one that is left: it is alive.
    const end = jobs('end', 20)
    await publisher.publish(end)
    await last.heardAll(end)
    const missing = Array.from({ length: sent }, (_, at) => `coming-${at}`).filter((name) => !heard.has(name))
    while (missing.some((name) => !heard.has(name))) await systemClock.sleep(20)
    expect(sent).toBeGreaterThan(changes * 100)
    expect(lines.filter((line) => line.includes('a consumer ended')).length).toBeLessThan(changes)
  })
})

describe.skipIf(kafkaBrokers === undefined)('the topics on Kafka', () => {
  test('are taken as they are where they exist, with a warning', async () => {
    const ours = settingsFor(kafkaBrokers ?? '')
    await openBus(ours)
    const { logger, lines } = keptLog('warn')
    const bus = await openBus({ ...ours, partitions: 7 }, logger)
    expect(JSON.parse(await untilLogged(lines, `${ours.topicPrefix}.jobs`))).toMatchObject({ partitions: 4, planned: 7 })
    const member = listen(bus)
    await bus.publish([job('a')])
    await member.heardAll([job('a')])
  })
})
