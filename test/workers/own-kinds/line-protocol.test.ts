import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLineProtocol } from '../../../src/workers/own-kinds/line-protocol.ts'

interface Read {
  readonly output: string
  readonly last: unknown
  readonly error: unknown
  readonly progress: readonly unknown[]
}

const read = async (chunks: readonly Buffer[]): Promise<Read> => {
  const progress: unknown[] = []
  const protocol = createLineProtocol((report) => progress.push(report))
  const output: Buffer[] = []
  for await (const chunk of protocol.output(
    (async function* () {
      yield* chunks
    })(),
  ))
    output.push(chunk)
  const last = protocol.last()
  return { output: Buffer.concat(output).toString(), last: last?.value, error: last?.error, progress }
}
const readText = (text: string): Promise<Read> => read([Buffer.from(text)])

test.each([
  ['nothing', '', '', undefined],
  ['text', 'a\nb', 'a\nb', undefined],
  ['a result', 'a\n{"b":1}\n', 'a\n', { b: 1 }],
  ['a result without an end of its line', 'a\n{"b":1}', 'a\n', { b: 1 }],
  ['any JSON', 'a\n 42 \n', 'a\n', 42],
  ['a text as JSON', '"done"\r\n', '', 'done'],
  ['null', 'null', '', null],
  ['JSON that another line follows', '{"b":1}\n{"c":2}\n', '{"b":1}\n', { c: 2 }],
  ['JSON before text', '{"b":1}\nend\n', '{"b":1}\nend\n', undefined],
  ['JSON before a blank line', '{"b":1}\n\n', '{"b":1}\n\n', undefined],
  ['JSON over lines', '{\n"b": 1\n}\n', '{\n"b": 1\n}\n', undefined],
  ['what only begins as JSON', '[info] a\ntrue story\n-1 b', '[info] a\ntrue story\n-1 b', undefined],
])('%s', async (_, text, output, last) => {
  expect(await readText(text)).toEqual({ output, last, error: undefined, progress: [] })
})

test('lines of progress are reports and nothing else', async () => {
  expect(await readText('a\n{"progress":{"fraction":0.5,"phase":"b"}}\n{"c":1}\n { "progress" : {"detail":"d"} }\n')).toEqual({
    output: 'a\n',
    last: { c: 1 },
    error: undefined,
    progress: [{ fraction: 0.5, phase: 'b' }, { detail: 'd' }],
  })
})

test('what is no report of progress is a line as any other', async () => {
  const lines = ['{"progress":5}', '{"progress":{"fraction":"a"}}', '{"progress":{},"more":1}', 'end', '']
  expect(await readText(lines.join('\n'))).toMatchObject({ output: lines.join('\n'), progress: [] })
})

test('an error line tells the failure', async () => {
  const error = { type: 'disk-full', message: 'no room', retryable: false, details: { left: 0 } }
  expect((await readText(`a\n${JSON.stringify({ error })}\n`)).error).toEqual(error)
  expect((await readText('{"error":{"type":"a","message":"b"}}')).error).toEqual({ type: 'a', message: 'b', retryable: true })
  expect((await readText('{"error":"a"}')).error).toBeUndefined()
})

test('a line of a megabyte and more is output, and shown before its end', async () => {
  const long = `"${'a'.repeat(1024 * 1024)}"`
  expect(await readText(`${long}\n`)).toMatchObject({ output: `${long}\n`, last: undefined })
  expect(await readText(long)).toMatchObject({ output: long, last: undefined })
})

test('what cannot be JSON is shown without the end of its line', async () => {
  const protocol = createLineProtocol(() => undefined)
  const shown = protocol.output(
    (async function* () {
      yield Buffer.from('Proceed? ')
      await new Promise(() => undefined)
    })(),
  )
  expect(String((await shown.next()).value)).toBe('Proceed? ')
})

const line = fc.oneof(
  fc.constantFrom(
    '',
    'text',
    '{"a":1}',
    '[1',
    'true',
    'tru',
    '12',
    '{"progress":{"fraction":1}}',
    'é\u{1f600}',
    '{"error":{}}',
    ' ',
  ),
  fc.string(),
)
const split = (bytes: Buffer, places: readonly number[]): readonly Buffer[] => {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end))
}

test('how the bytes are cut into chunks changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.boolean(), fc.array(fc.nat()), async (lines, isEnded, places) => {
      const bytes = Buffer.from(lines.join('\n') + (isEnded ? '\n' : ''))
      const whole = await read([bytes])
      expect(await read(split(bytes, places))).toEqual(whole)
      // Nothing is lost: what is not output is the last line, or progress.
      if (whole.progress.length === 0 && whole.last === undefined) expect(whole.output).toBe(bytes.toString())
    }),
  )
})

test('an error line may say more than is asked for', async () => {
  const error = { type: 't'.repeat(300), message: 'no room', retryable: false }
  expect((await readText(`${JSON.stringify({ error: { ...error, code: 5 } })}\n`)).error).toEqual(error)
})

test('short lines that come together are passed on together', async () => {
  const protocol = createLineProtocol(() => undefined)
  const chunks: Buffer[] = []
  const source = (async function* () {
    yield Buffer.from('y\n'.repeat(30_000))
  })()
  for await (const chunk of protocol.output(source)) chunks.push(chunk)
  expect(chunks.length).toBeLessThan(3)
  expect(Buffer.concat(chunks).toString()).toBe('y\n'.repeat(30_000))
})
