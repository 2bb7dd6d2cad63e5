import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { holdsAny } from '../../../../src/stores/embedded/writer/stale-copies.ts'
import { temporaryDirectory } from '../../temporary.ts'

const text = `{"keyId":"019ab2c4-0000-7000-8000-000000000000","wrapped":"${'abcdefgh'.repeat(12)}"}`
const fileWith = (before: number, content: string): string => {
  const path = join(temporaryDirectory(), 'file')
  writeFileSync(path, Buffer.concat([Buffer.alloc(before), Buffer.from(content), Buffer.alloc(1_000)]))
  return path
}

test.each([0, 1, 4_194_250, 4_194_280, 4_194_303, 4_194_304, 8_388_500, 8_388_607])(
  'a copy is found behind %i bytes',
  (before) => {
    expect(holdsAny(fileWith(before, text), ['another text that is long enough to be told from all others', text])).toBe(true)
    expect(holdsAny(fileWith(before, text.slice(0, 60)), [text])).toBe(true)
    expect(holdsAny(fileWith(before, text.slice(-60)), [text])).toBe(true)
  },
)

test('what is not there is not found', () => {
  expect(holdsAny(fileWith(5_000_000, text.slice(10, -10)), [text])).toBe(false)
  expect(holdsAny(fileWith(0, ''), [])).toBe(false)
})
