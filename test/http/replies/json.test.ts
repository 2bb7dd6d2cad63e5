import { expect, test } from 'vitest'
import { jsonList } from '../../../src/http/replies/json.ts'
import { bytesOf } from '../../../src/http/replies/reply.ts'

test.each([0, 1, 2, 499, 500, 501, 1000, 1001])('a list of %i texts is the same in one piece and in parts', async (count) => {
  const items = Array.from({ length: count }, (_, n) => ({ n, text: 'ü"\\' }))
  const short = jsonList(items.map((item) => JSON.stringify(item)))
  expect(short.body).toBe(JSON.stringify(items))
  const padding = ' '.repeat(1_048_576 / Math.max(count, 1) + 1)
  const long = jsonList(items.map((item) => JSON.stringify(item) + padding))
  expect(typeof long.body === 'string').toBe(count === 0)
  expect(long).toMatchObject({ status: 200, headers: { 'Content-Type': 'application/json' } })
  expect(JSON.parse((await bytesOf(long)).toString())).toEqual(items)
})
