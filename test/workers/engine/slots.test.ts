import { expect, test } from 'vitest'
import { createSlots } from '../../../src/workers/engine/slots.ts'

test('a slot that is given back goes to the lowest priority, then to the earliest', async () => {
  const slots = createSlots(1)
  const release = await slots.take(100)
  const order: string[] = []
  const waiting = [
    ['a', 100],
    ['b', 100],
    ['urgent', 1],
  ] as const
  const all = waiting.map(async ([name, priority]) => {
    const mine = await slots.take(priority)
    order.push(name)
    mine?.()
  })
  release?.()
  await Promise.all(all)
  expect(order).toEqual(['urgent', 'a', 'b'])
})

test('a slot is given back once', async () => {
  const slots = createSlots(1)
  const first = await slots.take(1)
  first?.()
  first?.()
  await slots.take(1)
  let isTaken = false
  void slots.take(1).then(() => (isTaken = true))
  await Promise.resolve()
  expect(isTaken).toBe(false)
})

test('closed slots are given to nobody', async () => {
  const slots = createSlots(1)
  await slots.take(1)
  const waiting = slots.take(1)
  slots.close()
  expect(await waiting).toBeUndefined()
  expect(await slots.take(1)).toBeUndefined()
})

test('who gives up waiting gets no slot, and holds up nobody', async () => {
  const slots = createSlots(1)
  const release = await slots.take(1)
  const ending = new AbortController()
  const [given, waiting] = [slots.take(1, ending.signal), slots.take(2)]
  ending.abort()
  expect(await given).toBeUndefined()
  expect(await slots.take(1, ending.signal)).toBeUndefined()
  release?.()
  expect(await waiting).toBeTypeOf('function')
})
