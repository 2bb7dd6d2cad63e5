import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Unavailable } from '../../../src/lib/errors.ts'
import type { Appended, EventLog, Expected, NewEvent } from '../../../src/stores/event-log.ts'
import { all, event, events, eventsOf, followed, isLive, places } from '../../contracts/event-log-tools.ts'
import { canOwnEventStoreDb } from '../../engines/own.ts'
import { opened, ownServer } from './opened.ts'
import { openWire } from './wire.ts'

/** What a careful caller does with an unknown outcome: the same again. */
const persistent = async (log: EventLog, stream: string, expected: Expected, given: NewEvent[]): Promise<Appended> => {
  for (;;)
    try {
      return await log.append(stream, expected, given)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
    }
}

const gone = (read: Promise<unknown>) => expect(read).rejects.toBeInstanceOf(Unavailable)

describe.skipIf(!canOwnEventStoreDb)('EventStoreDB that fails', () => {
  test('killed in the middle of appends, three times: each is recorded once, in order', async () => {
    const server = await ownServer()
    const { log } = await opened(server.url)
    const callers = 24
    const appendsEach = 40
    let acknowledged = 0
    const marks = [callers * 5, callers * 15, callers * 25].map((count) => ({ count, reached: Promise.withResolvers<void>() }))
    const count = (): void => {
      acknowledged += 1
      for (const mark of marks) if (acknowledged === mark.count) mark.reached.resolve()
    }
    /** Own streams with explicit revisions, and one that all share and where nobody knows the revision. */
    const call = async (caller: number): Promise<string[]> => {
      const ids: string[] = []
      for (let n = 0; n < appendsEach; n++) {
        const given = events(2)
        const { revision } = await persistent(log, `own-${caller}`, n === 0 ? 'noStream' : n * 2 - 1, given)
        expect(revision).toBe(n * 2 + 1)
        ids.push(...given.map(({ id }) => id))
        if (n % 8 === 0) await persistent(log, 'shared', 'any', [event('Shared', { caller, n })])
        count()
      }
      return ids
    }
    const calling = Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)))
    for (const { reached } of marks) {
      await reached.promise
      await server.kill('SIGKILL')
      await server.start()
    }
    const written = await calling
    for (const [caller, ids] of written.entries())
      expect((await all(log.readStream(`own-${caller}`))).map(({ id }) => id)).toEqual(ids)
    const shared = (await all(log.readStream('shared'))).map(({ data }) => `${data.caller}/${data.n}`)
    expect(new Set(shared).size).toBe(shared.length)
    expect(shared).toHaveLength(callers * (appendsEach / 8))
  })

  test('killed while somebody follows, three times: nothing is missed, nothing comes twice, live is said once', async () => {
    const server = await ownServer()
    const { log, lines } = await opened(server.url)
    await log.append('before-1', 'noStream', events(50))
    const total = 50 + 3 * 400
    const stop = new AbortController()
    const seen: string[] = []
    const kinds = { live: 0, checkpoint: 0 }
    let halfWay = Promise.withResolvers<void>()
    const following = (async () => {
      for await (const item of log.subscribe({ signal: stop.signal })) {
        if (item.kind !== 'event') {
          kinds[item.kind] += 1
          continue
        }
        seen.push(item.event.position)
        if ((seen.length - 50) % 400 === 200) halfWay.resolve()
        if (seen.length === total) stop.abort()
      }
    })()
    for (const round of [1, 2, 3]) {
      const appending = Promise.all(
        Array.from({ length: 40 }, (_, n) => persistent(log, `round-${round}-${n}`, 'noStream', events(10))),
      )
      await halfWay.promise
      halfWay = Promise.withResolvers()
      await server.kill('SIGKILL')
      await server.start()
      await appending
    }
    await following
    expect(seen).toEqual((await all(log.readAll())).map(({ position }) => position))
    expect(kinds.live).toBe(1)
    expect(
      lines.filter(({ msg }) => msg === 'the subscription to the log failed; subscribing again').length,
    ).toBeGreaterThanOrEqual(3)
  })

  test('a follower whose process stood still misses nothing, whether the server drops it or not', async () => {
    const server = await ownServer()
    const { log } = await opened(server.url)
    const total = 6_000
    const stop = new AbortController()
    const seen: string[] = []
    const live = Promise.withResolvers<void>()
    const following = (async () => {
      for await (const item of log.subscribe({ signal: stop.signal })) {
        if (item.kind === 'live') live.resolve()
        if (item.kind !== 'event') continue
        seen.push(item.event.position)
        if (seen.length === total) stop.abort()
      }
    })()
    await live.promise
    const child = spawn(process.execPath, [join(import.meta.dirname, 'append-child.ts'), server.url, String(total)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(child, 'exit')
    // This process takes nothing off its connection, again and again, while the other one writes.
    const standsStill = new Int32Array(new SharedArrayBuffer(4))
    while (child.exitCode === null && child.signalCode === null) {
      Atomics.wait(standsStill, 0, 0, 700)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await ended).toEqual([0, null])
    await following
    expect(seen).toEqual((await all(log.readAll())).map(({ position }) => position))
  })

  test('a log that ends before what was read of it is not followed: it is unavailable, and says why', async () => {
    const [full, restored] = await Promise.all([ownServer(), ownServer()])
    const wire = await openWire(full.url)
    const { log, lines } = await opened(wire.url)
    const other = await opened(restored.url)
    await other.log.append('thing-1', 'noStream', events(1))
    await log.append('thing-1', 'noStream', events(10))
    const stop = new AbortController()
    onTestFinished(() => stop.abort())
    const live = Promise.withResolvers<void>()
    const following = (async () => {
      for await (const item of log.subscribe({ signal: stop.signal })) if (item.kind === 'live') live.resolve()
    })()
    await live.promise
    wire.cut()
    wire.lead(restored.url)
    wire.restore()
    const gone = () => lines.find(({ level }) => level === 50)
    await vi.waitUntil(gone, { timeout: 60_000 })
    expect(gone()?.msg).toMatch(/ends before \d{19}-\d{19}, which this process has read: events are gone/)
    await expect(log.head()).rejects.toThrow(/events are gone.*Start this process again/)
    await expect(log.append('thing-1', 'any', events(1))).rejects.toBeInstanceOf(Unavailable)
    stop.abort()
    await following
  })

  test('a server that is gone is told of within a bounded time, and all goes on when it is back', async () => {
    const server = await ownServer()
    const { log } = await opened(server.url, { appendTimeoutMs: 300 })
    const { position } = await log.append('thing-1', 'noStream', events(1))
    await server.kill('SIGKILL')
    const given = events(1)
    const before = performance.now()
    await gone(log.append('thing-1', 0, given))
    await gone(log.append('thing-1', 'any', events(1)))
    await gone(all(log.readStream('thing-1')))
    await gone(all(log.readAll()))
    await gone(log.head())
    expect(performance.now() - before).toBeLessThan(10_000)
    await server.start()
    expect(await log.head()).toBe(position)
    expect((await log.append('thing-1', 0, given)).revision).toBe(1)
    expect(eventsOf(await followed(log, {}, isLive))).toHaveLength(2)
  })

  test('a frozen server leaves the outcome unknown, and the repetition finds it', async () => {
    const server = await ownServer()
    const { log } = await opened(server.url, { appendTimeoutMs: 300 })
    await log.append('thing-1', 'noStream', events(1))
    const [explicit, loose] = [events(2), events(2)]
    await server.kill('SIGSTOP')
    await gone(log.append('thing-1', 0, explicit))
    await gone(log.append('thing-2', 'any', loose))
    await server.kill('SIGCONT')
    expect((await log.append('thing-1', 0, explicit)).revision).toBe(2)
    expect((await log.append('thing-2', 'any', loose)).revision).toBe(1)
    expect(places(await all(log.readAll()))).toEqual(['thing-1@0', 'thing-1@1', 'thing-1@2', 'thing-2@0', 'thing-2@1'])
  })

  test('a repetition without an expected revision is known after a restart of the server', async () => {
    const server = await ownServer()
    const { log } = await opened(server.url)
    const given = events(3)
    const first = await log.append('thing-1', 'any', given)
    await log.append('thing-1', 'any', events(20))
    await server.kill('SIGKILL')
    await server.start()
    expect(await persistent(log, 'thing-1', 'any', given)).toEqual(first)
    expect(await persistent(log, 'thing-1', 'streamExists', given)).toEqual(first)
    expect(await all(log.readStream('thing-1'))).toHaveLength(23)
  })

  test('a forgotten key stays forgotten after a restart, and its stream can be made again', async () => {
    const server = await ownServer()
    const { log, client } = await opened(server.url)
    await log.append('key-a', 'noStream', events(1, 'KeyCreated'))
    await log.forget('key-a')
    await server.kill('SIGKILL')
    await server.start()
    expect(await all(log.readStream('key-a'))).toEqual([])
    // A scavenge keeps the last event of a deleted stream: that must not be the key.
    const raw: string[] = []
    for await (const { event: found } of client.readAll({ maxCount: 1_000 }))
      if (found?.streamId === 'key-a') raw.push(found.type)
    expect(raw).toEqual(['KeyCreated', '$forgotten'])
    const again = events(1, 'KeyCreated')
    await log.append('key-a', 'noStream', again)
    expect((await all(log.readStream('key-a', { backwards: true, from: 'end', limit: 1 }))).map(({ id }) => id)).toEqual([
      again[0]?.id,
    ])
    expect(await all(log.readStream('key-a'))).toHaveLength(1)
  })
})
