import { expect, test } from 'vitest'
import { itemsOf } from '../../src/stores/items-of.ts'

/** Pages, and what became of whoever makes them. */
const pages = (given: readonly (readonly number[])[], fault?: Error) => {
  const told: string[] = []
  async function* make(): AsyncGenerator<readonly number[], void> {
    try {
      for (const page of given) {
        told.push(`page ${page.join()}`)
        yield page
      }
      if (fault !== undefined) throw fault
    } finally {
      told.push('over')
    }
  }
  return { items: itemsOf(make()), told }
}

test('all items come in order, those of empty pages too, which have none', async () => {
  const { items, told } = pages([[1, 2], [], [], [3], [4, 5, 6]])
  expect(await Array.fromAsync(items)).toEqual([1, 2, 3, 4, 5, 6])
  expect(told.at(-1)).toBe('over')
  expect(await items.next()).toEqual({ done: true, value: undefined })
  expect(await Array.fromAsync(pages([]).items)).toEqual([])
})

test('no page is read before it is needed, and whoever has enough ends the reading', async () => {
  const { items, told } = pages([
    [1, 2],
    [3, 4],
  ])
  for await (const item of items) if (item === 2) break
  expect(told).toEqual(['page 1,2', 'over'])
  expect(await items.next()).toEqual({ done: true, value: undefined })
})

test('what is wrong with a page is told behind the items before it', async () => {
  const { items } = pages([[1]], new Error('the disk is gone'))
  const seen: number[] = []
  const reading = (async () => {
    for await (const item of items) seen.push(item)
  })()
  await expect(reading).rejects.toThrow('the disk is gone')
  expect(seen).toEqual([1])
})
