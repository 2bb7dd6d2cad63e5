import { expect, test } from 'vitest'
import { z } from 'zod'
import { createInProcessBus } from '../../src/bus/in-process.ts'
import type { SubmitRequest } from '../../src/commands/submit.ts'
import type { JsonValue } from '../../src/lib/json.ts'
import { WorkFailed } from '../../src/workers/work.ts'
import { openEngine, work } from './engine.ts'

const any = z.any()

test('operations of a lane run one after the other: lowest priority first, then earliest request', async () => {
  const ran: JsonValue[] = []
  let inside = 0
  const { promise: allAsked, resolve: begin } = Promise.withResolvers<void>()
  const laned = work<{ name: string }>(
    'laned',
    async ({ name }) => {
      expect(++inside).toBe(1)
      await allAsked
      ran.push(name)
      inside--
      return null
    },
    { input: z.object({ name: z.string() }) },
  )
  const engine = await openEngine({ works: [laned] })
  const ask = (name: string, priority = 100) => engine.request('laned', { name }, { lane: 'target', priority })
  const first = await ask('first')
  await engine.inState(first, 'running')
  const rest = [await ask('a'), await ask('b'), await ask('urgent', 1), await ask('late', 900), await ask('c')]
  const waiting = await engine.until(() => engine.queries.byId(rest.at(-1) as string))
  expect(waiting.waitingFor).toMatchObject({ reason: 'lane', operation: first })
  begin()
  await Promise.all(rest.map(engine.ended))
  expect(ran).toEqual(['first', 'urgent', 'a', 'b', 'c', 'late'])
})

test('the order of a lane outlives doorbells that the bus had no room for', async () => {
  const ran: JsonValue[] = []
  const { promise: allAsked, resolve: begin } = Promise.withResolvers<void>()
  const laned = work<{ name: string }>(
    'laned',
    async ({ name }) => {
      await allAsked
      ran.push(name)
      return null
    },
    { input: z.object({ name: z.string() }) },
  )
  const engine = await openEngine({ works: [laned], bus: createInProcessBus({ cap: 1 }), runtime: { concurrency: 1 } })
  const ask = (name: string, more: Partial<SubmitRequest> = {}) => engine.request('laned', { name }, more)
  const first = await ask('first', { lane: 'target' })
  await engine.inState(first, 'running')
  // One waits for a slot and one in the queue: there is no room for the lane's next when the first has ended.
  const others = [await ask('other'), await ask('other'), await ask('other')]
  const wanted = { a: 100, urgent: 1, late: 900 }
  const lane: string[] = []
  for (const [name, priority] of Object.entries(wanted)) lane.push(await ask(name, { lane: 'target', priority }))
  await engine.until(() => engine.queries.byId(lane.at(-1) as string))
  begin()
  await Promise.all([...others, ...lane].map(engine.ended))
  expect(ran.filter((name) => name !== 'other')).toEqual(['first', 'urgent', 'a', 'late'])
  expect(ran).toHaveLength(7)
})

test('a lane is held through the back-off, and free after the end', async () => {
  const order: string[] = []
  const failing = work<{ name: string; fails: number }>(
    'failing',
    async ({ name, fails }, { attempt }) => {
      order.push(`${name}${attempt}`)
      if (attempt <= fails) throw new WorkFailed('again', 'again', { retryable: true })
      return null
    },
    { input: z.object({ name: z.string(), fails: z.number() }) },
  )
  const engine = await openEngine({ works: [failing] })
  const one = await engine.request('failing', { name: 'one', fails: 2 }, { lane: 'l' })
  const two = await engine.request('failing', { name: 'two', fails: 0 }, { lane: 'l' })
  await Promise.all([engine.ended(one), engine.ended(two)])
  expect(order).toEqual(['one1', 'one2', 'one3', 'two1'])
  await engine.until(() => engine.queries.laneHolder('l') === undefined)
})

test('cancelling the retrying holder of a lane, and the next in it, lets the others through', async () => {
  const stuck = work('stuck', () => Promise.reject(new Error('no')), {
    input: any,
    policy: { attempts: 2, timeoutMs: 1000, backoff: { initialMs: 60_000, factor: 1, maxMs: 60_000 }, whenLost: 'retry' },
  })
  const engine = await openEngine({ works: [stuck] })
  const holder = await engine.request('stuck', {}, { lane: 'l' })
  await engine.inState(holder, 'retrying')
  const next = await engine.request('probe', {}, { lane: 'l' })
  const last = await engine.request('probe', {}, { lane: 'l' })
  await engine.cancel(next)
  await engine.cancel(holder)
  expect((await engine.ended(last)).state).toBe('succeeded')
})
