import { pino } from 'pino'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import { createEventStoreDbLeases } from '../../../src/stores/eventstoredb/nodes/leases.ts'
import type { Leases } from '../../../src/stores/leases.ts'
import { leasesContract } from '../../contracts/leases.ts'
import { canOwnEventStoreDb, ownEventStoreDb } from '../../engines/own.ts'
import { eventStoreDbUrl } from '../../engines/running.ts'
import { startChild } from './child.ts'
import { type LeaseStore, openLeaseStore } from './lease-store.ts'
import { openWire } from './wire.ts'

const patience = { timeout: 20_000, interval: 5 }
/** How often a node that judges looks. */
const beatMs = 500
/** A beat, and a busy machine. */
const judgedWithinMs = 2_500

const opened = async (url: string): Promise<LeaseStore> => {
  const store = await openLeaseStore(url)
  onTestFinished(() => store.close())
  return store
}
const started = async (url: string, stream: string): Promise<Leases> => {
  const leases = (await opened(url)).leases(stream)
  onTestFinished(() => leases.close())
  await leases.start()
  return leases
}
const workers = (leases: Leases): string[] => leases.live(clock.monotonic()).map(({ worker }) => worker)
const untilLive = (leases: Leases, worker: string) => expect.poll(() => workers(leases), patience).toContain(worker)
const untilDead = (leases: Leases, worker: string) => expect.poll(() => workers(leases), patience).not.toContain(worker)
const newStream = (): string => `lease-workers-${newId()}`

describe.skipIf(eventStoreDbUrl === undefined)('leases on EventStoreDB', () => {
  const url = eventStoreDbUrl ?? ''

  leasesContract('EventStoreDB', async () => {
    const stream = newStream()
    const [here, there] = [await opened(url), await opened(url)]
    return [here.leases(stream), there.leases(stream)]
  })

  test('the server is told to forget what is old', async () => {
    const stream = newStream()
    const store = await opened(url)
    const leases = store.leases(stream)
    onTestFinished(() => leases.close())
    await leases.start()
    const kept = async () => (await store.connection.client.getStreamMetadata(stream, store.connection.callOptions)).metadata
    await expect.poll(kept, patience).toEqual({ maxAge: 3_600, maxCount: 10_000 })
  })

  test('while everybody renews in time the server is not asked; once a lease is over it is', async () => {
    const stream = newStream()
    const store = await opened(url)
    let shift = 0
    let reads = 0
    const beats: (() => void)[] = []
    const held = (run: () => void) => {
      beats.push(run)
      return () => undefined
    }
    const leases = createEventStoreDbLeases({
      connection: store.connection,
      log: {
        readStream: (...asked) => {
          reads += 1
          return store.connection.log.readStream(...asked)
        },
      },
      clock: {
        ...clock,
        monotonic: () => clock.monotonic() + shift,
        after: (ms, run) => (ms === beatMs ? held(run) : clock.after(ms, run)),
      },
      logger: pino({ level: 'silent' }),
      stream,
    })
    onTestFinished(() => leases.close())
    const nextBeat = async (): Promise<void> => {
      await vi.waitUntil(() => beats.length > 0, patience)
      for (const run of beats.splice(0)) run()
    }
    await leases.start()
    const worker = `w-${newId()}`
    await leases.renew({ worker, host: 'h', kinds: [], until: clock.monotonic() + 60_000 })
    await leases.heard()
    const asked = reads
    for (let beat = 0; beat < 5; beat++) await nextBeat()
    await vi.waitUntil(() => beats.length > 0, patience)
    expect(reads).toBe(asked)
    expect(workers(leases)).toEqual([worker])
    shift = 60_000
    await nextBeat()
    await vi.waitUntil(() => beats.length > 0, patience)
    expect(reads).toBe(asked + 1)
    expect(leases.live(clock.monotonic() + shift)).toEqual([])
  })

  test('a killed worker is dead when its lease is over, and not before; a stopped one at once', async () => {
    const stream = newStream()
    const leaseMs = 3_000
    const killed = startChild('lease-child.ts', url, stream, String(leaseMs))
    const stopped = startChild('lease-child.ts', url, stream, String(60_000))
    const [killedName, stoppedName] = [await killed.line(), await stopped.line()]
    const leases = await started(url, stream)
    expect(workers(leases).sort()).toEqual([killedName, stoppedName].sort())

    stopped.kill('SIGTERM')
    await stopped.ended
    await untilDead(leases, stoppedName)

    killed.kill('SIGKILL')
    const at = clock.monotonic()
    await killed.ended
    await untilDead(leases, killedName)
    const took = clock.monotonic() - at
    expect(took).toBeGreaterThan(leaseMs / 2)
    expect(took).toBeLessThan(leaseMs + judgedWithinMs)
  })

  test('a worker that was frozen past its lease goes on under another name', async () => {
    const stream = newStream()
    const leases = await started(url, stream)
    const child = startChild('lease-child.ts', url, stream, '1500')
    const before = await child.line()
    await untilLive(leases, before)
    child.kill('SIGSTOP')
    await untilDead(leases, before)
    child.kill('SIGCONT')
    const after = await child.line()
    expect(after).not.toBe(before)
    await untilLive(leases, after)
    expect(workers(leases)).not.toContain(before)
  })

  test('a node that hears nothing for a while takes nobody for dead', async () => {
    const stream = newStream()
    const wire = await openWire(url)
    const leases = await started(wire.url, stream)
    const leaseMs = 1_500
    const child = startChild('lease-child.ts', url, stream, String(leaseMs))
    const worker = await child.line()
    await untilLive(leases, worker)
    for (const cut of [wire.hold, wire.cut]) {
      cut()
      // Two leases of silence, seen by a node that hears: the worker did renew.
      const witness = await started(url, stream)
      const since = clock.monotonic()
      while (clock.monotonic() < since + 2 * leaseMs) {
        expect(workers(leases)).toContain(worker)
        await clock.sleep(5)
      }
      expect(workers(witness)).toContain(worker)
      wire.restore()
      await expect
        .poll(() => leases.live(clock.monotonic()).find((lease) => lease.worker === worker)?.until, patience)
        .toBeGreaterThan(clock.monotonic() + leaseMs / 2)
    }
    child.kill('SIGKILL')
    await untilDead(leases, worker)
  })
})

describe.skipIf(!canOwnEventStoreDb)('leases on an EventStoreDB that ends', () => {
  test('workers outlive a restart of the server, and who died meanwhile is found out', async () => {
    const server = await ownEventStoreDb()
    onTestFinished(() => server.stop())
    const stream = newStream()
    const leases = await started(server.url, stream)
    // Longer than a server takes to start on a busy machine.
    const leaseMs = 15_000
    const [living, dying] = [1, 2].map(() => startChild('lease-child.ts', server.url, stream, String(leaseMs)))
    const [survivor, victim] = [(await living?.line()) ?? '', (await dying?.line()) ?? '']
    await untilLive(leases, survivor)
    await untilLive(leases, victim)
    await server.kill('SIGKILL')
    dying?.kill('SIGKILL')
    await server.start()
    await untilDead(leases, victim)
    expect(workers(leases)).toContain(survivor)
    const late = await started(server.url, stream)
    expect(workers(late)).toContain(survivor)
  })
})
