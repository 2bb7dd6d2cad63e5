import { afterEach, describe, expect, test } from 'vitest'
import type { Job, JobBus } from '../../src/bus/job-bus.ts'

const job = (operationId: string, more: Partial<Job> = {}): Job => ({
  operationId,
  kind: 'probe',
  key: operationId,
  priority: 100,
  ...more,
})

/** What every bus promises. `open` makes an empty one. */
export const jobBusContract = (name: string, open: () => Promise<JobBus>): void => {
  describe(`${name} as a job bus`, () => {
    const ends: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const end of ends.splice(0).reverse()) await end()
    })

    const opened = async (): Promise<JobBus> => {
      const bus = await open()
      ends.push(() => bus.close())
      return bus
    }

    /** A consumer, and a way to wait until it has been handed so many jobs. */
    const consumer = (bus: JobBus, handle: (job: Job) => Promise<void> = async () => {}, kinds = ['probe'], concurrency = 1) => {
      const stop = new AbortController()
      const jobs: Job[] = []
      let waiting: { count: number; resolve: () => void } | undefined
      const ended = bus.consume({ kinds, concurrency, signal: stop.signal }, async (handed) => {
        jobs.push(handed)
        if (waiting !== undefined && jobs.length >= waiting.count) waiting.resolve()
        await handle(handed)
      })
      const end = async () => {
        stop.abort()
        await ended
      }
      ends.push(end)
      const got = (count: number): Promise<void> =>
        jobs.length >= count ? Promise.resolve() : new Promise((resolve) => (waiting = { count, resolve }))
      return { jobs, got, end, ids: () => jobs.map(({ operationId }) => operationId) }
    }

    test('hands over what is published', async () => {
      const bus = await opened()
      const { jobs, got } = consumer(bus)
      const sent = job('a', { key: 'lane', priority: 3 })
      await bus.publish([sent])
      await got(1)
      expect(jobs).toEqual([sent])
    })

    test('keeps what is published before anyone listens', async () => {
      const bus = await opened()
      await bus.publish([job('a'), job('b')])
      const { ids, got } = consumer(bus)
      await got(2)
      expect(ids().sort()).toEqual(['a', 'b'])
    })

    test('hands each consumer its kinds only', async () => {
      const bus = await opened()
      const probes = consumer(bus, undefined, ['probe'])
      const others = consumer(bus, undefined, ['other', 'third'])
      await bus.publish([job('a'), job('b', { kind: 'other' }), job('c', { kind: 'third' })])
      await Promise.all([probes.got(1), others.got(2)])
      expect(probes.ids()).toEqual(['a'])
      expect(others.ids().sort()).toEqual(['b', 'c'])
    })

    test("hands all kinds of one's own to whoever takes one queue for them", async () => {
      const bus = await opened()
      const own = consumer(bus, undefined, ['other', 'own.*'])
      await bus.publish([job('a', { kind: 'own.a' }), job('b', { kind: 'own.b.c' }), job('c', { kind: 'probe' })])
      await own.got(2)
      expect(own.jobs.map(({ kind }) => kind).sort()).toEqual(['own.a', 'own.b.c'])
    })

    test('keeps the order of one key', async () => {
      const bus = await opened()
      const { ids, got } = consumer(bus)
      const names = Array.from({ length: 50 }, (_, index) => `job-${index}`)
      for (const name of names) await bus.publish([job(name, { key: 'lane' })])
      await got(50)
      expect(ids()).toEqual(names)
    })

    test('calls no more handlers at a time than it was allowed to', async () => {
      const bus = await opened()
      let now = 0
      let most = 0
      const { got } = consumer(
        bus,
        async () => {
          most = Math.max(most, ++now)
          await Promise.resolve()
          now--
        },
        ['probe'],
        3,
      )
      await bus.publish(Array.from({ length: 30 }, (_, index) => job(`job-${index}`)))
      await got(30)
      expect(most).toBeLessThanOrEqual(3)
    })

    test('goes on after a handler that throws', async () => {
      const bus = await opened()
      const { ids, got } = consumer(bus, async ({ operationId }) => {
        if (operationId === 'bad') throw new TypeError('a bug')
      })
      await bus.publish([job('bad'), job('good', { priority: 200 })])
      await got(2)
      expect(ids()).toContain('good')
    })

    test('stops when its signal aborts, and leaves the rest to others', async () => {
      const bus = await opened()
      const first = consumer(bus)
      await bus.publish([job('a')])
      await first.got(1)
      await first.end()
      await bus.publish([job('b')])
      const second = consumer(bus)
      await second.got(1)
      expect(first.ids()).toEqual(['a'])
      expect(second.ids()).toContain('b')
    })

    test('jobs of kinds beside the others are handed out however many others are being handled', async () => {
      const bus = await opened()
      const { promise: held, resolve: release } = Promise.withResolvers<void>()
      const stop = new AbortController()
      const seen: string[] = []
      const { promise: enough, resolve: seenEnough } = Promise.withResolvers<void>()
      const options = { kinds: ['probe', 'control'], beside: ['control'], concurrency: 1, signal: stop.signal }
      const ended = bus.consume(options, async ({ operationId, kind }) => {
        seen.push(operationId)
        if (seen.length === 3) seenEnough()
        if (kind === 'probe') await held
      })
      ends.push(async () => {
        release()
        stop.abort()
        await ended
      })
      await bus.publish([job('first')])
      await expect.poll(() => seen, { timeout: 60_000 }).toEqual(['first'])
      await bus.publish([job('second'), job('one', { kind: 'control' }), job('two', { kind: 'control' })])
      await enough
      expect(seen.toSorted()).toEqual(['first', 'one', 'two'])
    })

    test('an aborted signal consumes nothing', async () => {
      const bus = await opened()
      await bus.publish([job('a')])
      await bus.consume({ kinds: ['probe'], concurrency: 1, signal: AbortSignal.abort() }, () => {
        throw new Error('nothing may come')
      })
    })
  })
}
