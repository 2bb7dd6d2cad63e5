import { expect, test } from 'vitest'
import { createTurns } from '../../src/lib/event-loop-turns.ts'

const round = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('each round of the event loop is the turn of one, in the order in which they asked', async () => {
  const turn = createTurns()
  const order: string[] = []
  const read = async (name: string, pages: number): Promise<void> => {
    for (let page = 1; page <= pages; page++) {
      await turn()
      order.push(`${name}${page}`)
    }
  }
  const all = Promise.all([read('a', 3), read('b', 2), read('c', 1)])
  const seen: number[] = []
  for (let rounds = 1; rounds <= 6; rounds++) {
    await round()
    seen.push(order.length)
  }
  await all
  expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  // Never two pages in one round.
  expect(seen.every((count, index) => count - (seen[index - 1] ?? 0) <= 1)).toBe(true)
})
