import { afterEach, describe, expect, test } from 'vitest'
import { systemClock as clock } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import type { Lease, Leases } from '../../src/stores/leases.ts'

const patience = { timeout: 10_000, interval: 5 }
/** A renewal is given up after a quarter of it, which has to be enough for a busy machine. */
const short = 2_000
const long = 60_000

/** What every place of leases promises. `open` gives the leases of two nodes that share them, not started. */
export const leasesContract = (name: string, open: () => Promise<readonly [Leases, Leases]>): void => {
  describe(`${name} as leases`, () => {
    const ends: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const end of ends.splice(0).reverse()) await end()
    })

    const opened = async (): Promise<readonly [Leases, Leases]> => {
      const both = await open()
      ends.push(...both.map((leases) => () => leases.close()))
      return both
    }
    const started = async (): Promise<readonly [Leases, Leases]> => {
      const both = await opened()
      for (const leases of both) await leases.start()
      return both
    }
    const lease = (leaseMs: number, worker = newId()): Lease => ({
      worker,
      host: 'here',
      kinds: ['probe', 'crawling.crawl'],
      until: clock.monotonic() + leaseMs,
    })
    const workers = (leases: Leases): string[] => leases.live(clock.monotonic()).map(({ worker }) => worker)

    test('a renewed worker lives: for itself at once, for others when they hear of it', async () => {
      const [here, there] = await started()
      const held = lease(long)
      await here.renew(held)
      expect(workers(here)).toContain(held.worker)
      await expect.poll(() => workers(there), patience).toContain(held.worker)
      const seen = there.live(clock.monotonic()).find(({ worker }) => worker === held.worker)
      expect(seen).toMatchObject({ host: held.host, kinds: held.kinds })
      // Others may believe in it for longer, and never for less.
      expect(seen?.until).toBeGreaterThanOrEqual(held.until)
    })

    test('a worker that does not renew is dead for everyone, and not before its lease is over', async () => {
      const [here, there] = await started()
      const held = lease(short)
      await here.renew(held)
      await expect.poll(() => workers(there), patience).toContain(held.worker)
      for (const leases of [here, there]) {
        await expect.poll(() => workers(leases), patience).not.toContain(held.worker)
        expect(clock.monotonic()).toBeGreaterThanOrEqual(held.until)
      }
    })

    test('who renewed before the question is known after `heard`', async () => {
      const [here, there] = await started()
      for (let round = 0; round < 20; round++) {
        const held = lease(long)
        await here.renew(held)
        await there.heard()
        expect(workers(there)).toContain(held.worker)
      }
    })

    test('a renewal prolongs', async () => {
      const [here, there] = await started()
      const { worker } = lease(short)
      const first = lease(short, worker)
      await here.renew(first)
      await here.renew(lease(long, worker))
      const witness = lease(short)
      await here.renew(witness)
      await expect.poll(() => workers(there), patience).toContain(witness.worker)
      await expect.poll(() => workers(there), patience).not.toContain(witness.worker)
      expect(workers(there)).toContain(worker)
      expect(workers(here)).toContain(worker)
    })

    test('a released worker is dead at once, whatever it had been granted', async () => {
      const [here, there] = await started()
      const held = lease(long)
      const other = lease(long)
      await here.renew(held)
      await here.renew(other)
      await expect.poll(() => workers(there), patience).toEqual(expect.arrayContaining([held.worker, other.worker]))
      await here.release(held.worker)
      expect(workers(here)).not.toContain(held.worker)
      await expect.poll(() => workers(there), patience).not.toContain(held.worker)
      expect(workers(there)).toContain(other.worker)
    })

    test('who starts later knows who lives and who was released', async () => {
      const [here, there] = await opened()
      await here.start()
      const alive = lease(long)
      const gone = lease(long)
      await here.renew(alive)
      await here.renew(gone)
      await here.release(gone.worker)
      await there.start()
      expect(workers(there)).toContain(alive.worker)
      expect(workers(there)).not.toContain(gone.worker)
    })

    test('releasing a worker that nobody knows is no fault', async () => {
      const [here] = await started()
      await here.release(newId())
    })
  })
}
