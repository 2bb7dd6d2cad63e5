import { expect, test } from 'vitest'
import type { Clock } from '../../../src/lib/clock.ts'
import { createLocalLeases } from '../../../src/stores/embedded/leases.ts'
import { createPeers } from '../../../src/workers/engine/peer-workers.ts'

const kind = 'crawling.crawl'

const setUp = async (workers: readonly string[]) => {
  let now = 1_000
  let due = (): void => {}
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: () => Promise.reject(new Error('unused')),
    after: (_ms, run) => {
      due = run
      return () => {
        due = () => {}
      }
    },
  }
  const leases = createLocalLeases()
  const join = (worker: string, kinds = [kind]) => leases.renew({ worker, host: 'h', kinds, until: 10_000 })
  for (const worker of workers) await join(worker)
  const of = (me: string) => createPeers({ leases, clock, kind, me: () => me })
  return {
    of,
    join,
    leave: leases.release,
    tick: () => due(),
    pass: (ms: number) => {
      now += ms
    },
  }
}

const domains = Array.from({ length: 300 }, (_, n) => `domain${n}.com`)

test('every domain has one owner, and each worker about its share', async () => {
  const { of } = await setUp(['a', 'b', 'c'])
  const all = ['a', 'b', 'c'].map((worker) => domains.filter(of(worker).owns))
  expect(all.flat().sort()).toEqual([...domains].sort())
  for (const share of all) expect(share.length).toBeGreaterThan(60)
})

test('a worker that comes takes its share of everybody, and nothing else moves', async () => {
  const { of, join } = await setUp(['a', 'b'])
  const before = domains.filter(of('a').owns)
  await join('c')
  const after = domains.filter(of('a').owns)
  expect(after.filter((domain) => !before.includes(domain))).toEqual([])
  expect(after.length).toBeLessThan(before.length)
})

test('workers that take no crawls, or whose lease ran out, own nothing', async () => {
  const { of, join, pass } = await setUp(['a'])
  await join('other', ['probe'])
  const a = of('a')
  expect(a.isAlone()).toBe(true)
  await join('b')
  expect(a.isAlone()).toBe(false)
  pass(10_000)
  // It may merely be slow.
  expect(a.isAlone()).toBe(false)
  pass(60_001)
  expect(a.isAlone()).toBe(true)
  // One's own lease is not held any longer either: that is for the claim to find out.
  expect(domains.every(of('a').owns)).toBe(true)
})

test('a change of the workers is told once', async () => {
  const { of, join, leave, tick } = await setUp(['a'])
  let told = 0
  const ending = new AbortController()
  of('a').onChange(() => told++, ending.signal)
  tick()
  expect(told).toBe(0)
  await join('b')
  tick()
  tick()
  expect(told).toBe(1)
  await leave('b')
  tick()
  expect(told).toBe(2)
  ending.abort()
  await join('c')
  tick()
  expect(told).toBe(2)
})
