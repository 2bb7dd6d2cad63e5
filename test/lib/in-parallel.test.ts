import { expect, test } from 'vitest'
import { inParallel } from '../../src/lib/in-parallel.ts'

test('works on so many at a time, begun in order, and answers in order', async () => {
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>())
  const begun: number[] = []
  const all = inParallel([0, 1, 2, 3], 2, async (item) => {
    begun.push(item)
    await gates[item]?.promise
    return `result ${item}`
  })
  expect(begun).toEqual([0, 1])
  gates[1]?.resolve()
  await expect.poll(() => begun).toEqual([0, 1, 2])
  for (const { resolve } of gates) resolve()
  expect(await all).toEqual(['result 0', 'result 1', 'result 2', 'result 3'])
})

test('begins nothing after a failure, and rejects when the others have ended', async () => {
  const gate = Promise.withResolvers<void>()
  const ended: string[] = []
  const all = inParallel(['slow', 'bad', 'never'], 2, async (item) => {
    if (item === 'bad') throw new Error(item)
    await gate.promise
    ended.push(item)
  })
  setImmediate(gate.resolve)
  await expect(all).rejects.toThrow('bad')
  expect(ended).toEqual(['slow'])
})

test('has nothing to do without items', async () => expect(await inParallel([], 3, async () => 1)).toEqual([]))
