import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLastText } from '../../../src/workers/own-kinds/last-text.ts'

const lastLine = async (chunks: readonly Buffer[]): Promise<string | undefined> => {
  const text = createLastText()
  const passed: Buffer[] = []
  for await (const chunk of text.pass(
    (async function* () {
      yield* chunks
    })(),
  ))
    passed.push(chunk)
  expect(Buffer.concat(passed)).toEqual(Buffer.concat(chunks))
  return text.lastLine()
}

test.each([
  ['', undefined],
  ['\n \r\n', undefined],
  ['one', 'one'],
  ['one\ntwo\r\n', 'two'],
  ['one\n\n\t\n', 'one'],
  ['one\n  two', '  two'],
])('of %j the last line is %j', async (text, line) => expect(await lastLine([Buffer.from(text)])).toBe(line))

test('it is the same however the text is cut into chunks', () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\n') })), async (pieces) => {
      const chunks = pieces.map((piece) => Buffer.from(piece))
      expect(await lastLine(chunks)).toBe(await lastLine([Buffer.concat(chunks)]))
    }),
  ))

test('of a long line the beginning is kept', async () => {
  const chunks = Array.from({ length: 200 }, () => Buffer.alloc(1024, 'x'))
  expect((await lastLine([Buffer.from('first\nbegin '), ...chunks]))?.slice(0, 8)).toBe('begin xx')
  expect(await lastLine(chunks)).toHaveLength(64 * 1024)
})
