import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { holdsTwice } from '../../../../src/stores/embedded/writer/stale-copies.ts'
import { temporaryDirectory } from '../../temporary.ts'

const text = `{"keyId":"019ab2c4-0000-7000-8000-000000000000","wrapped":"${'abcdefgh'.repeat(12)}"}`
const fileWith = (before: number, content: string): string => {
  const path = join(temporaryDirectory(), 'file')
  writeFileSync(path, Buffer.concat([Buffer.alloc(before), Buffer.from(content), Buffer.alloc(1_000)]))
  return path
}

test.each([0, 1, 4_194_100, 4_194_150, 4_194_303, 4_194_304, 8_388_400, 8_388_607])(
  'a second copy is found behind %i bytes',
  (before) => {
    const others = ['another text that is long enough to be told from all others', text]
    expect(holdsTwice(fileWith(before, text + text), others)).toBe(true)
    expect(holdsTwice(fileWith(before, text + text.slice(0, 60)), others)).toBe(true)
    expect(holdsTwice(fileWith(before, text.slice(-60) + text), others)).toBe(true)
  },
)

test.each([0, 4_194_100, 4_194_200, 4_194_256, 4_194_257, 4_194_300, 8_388_480])(
  'one alone is none, behind %i bytes',
  (before) => {
    expect(holdsTwice(fileWith(before, text), [text])).toBe(false)
    expect(holdsTwice(fileWith(before, text.slice(10, -10) + text), [text])).toBe(false)
  },
)

test('nothing is not there twice', () => expect(holdsTwice(fileWith(0, ''), [])).toBe(false))
