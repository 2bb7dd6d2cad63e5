import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { type OutputWritten, outputStream } from '../../../src/events/output.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { readOutput } from '../../../src/projections/operations/read-output.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import type { EventLog } from '../../../src/stores/event-log.ts'
import { createOutputWriter, type OutputOptions } from '../../../src/workers/output/output-writer.ts'
import { context } from '../engine.ts'

const operationId = '019ab2c4-0000-7000-8000-000000000001'
const { commandId: _, ...around } = context()

const openLog = async (): Promise<EventLog> => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  onTestFinished(() => log.close())
  return log
}

const writer = (log: EventLog, more: Partial<OutputOptions> = {}) =>
  createOutputWriter({
    log,
    clock: systemClock,
    operationId,
    attempt: 1,
    capBytes: 1_000_000,
    context: around,
    isLive: () => true,
    onProblem: () => {},
    ...more,
  })

const written = async (log: EventLog): Promise<OutputWritten[]> => {
  const events: OutputWritten[] = []
  for await (const { data } of log.readStream(outputStream(operationId))) events.push(data as unknown as OutputWritten)
  return events
}

/** Reads to the end in slices of at most `limit` bytes. */
const readAll = async (log: EventLog, limit: number): Promise<Buffer> => {
  const parts: Buffer[] = []
  for (let offset = 0; ; ) {
    const { content, nextOffset, size } = await readOutput(log, operationId, { offset, limit })
    expect(content.length).toBeLessThanOrEqual(limit)
    expect(nextOffset).toBe(offset + content.length)
    if (content.length === 0) {
      expect(offset).toBe(size)
      return Buffer.concat(parts)
    }
    parts.push(content)
    offset = nextOffset
  }
}

test('chunks have at most 32 KiB, are cut at code points and lie end to end', async () => {
  const log = await openLog()
  const output = writer(log)
  const text = 'aä€😀'.repeat(12_345)
  await output.write(text)
  await output.close()
  let offset = 0
  for (const event of await written(log)) {
    expect(event.offset).toBe(offset)
    expect(event.bytes).toBe(Buffer.byteLength(event.text))
    expect(event.bytes).toBeLessThanOrEqual(32_768)
    expect(event.text.isWellFormed()).toBe(true)
    offset += event.bytes
  }
  expect((await readAll(log, 1 << 20)).toString()).toBe(text)
})

test('what is written in small pieces is gathered', async () => {
  const log = await openLog()
  const output = writer(log)
  for (let index = 0; index < 1000; index++) await output.write(`line ${index}\n`)
  await output.close()
  expect(await written(log)).toHaveLength(1)
})

test('a pair of surrogates written in two pieces stays one character', async () => {
  const log = await openLog()
  const output = writer(log)
  await output.write(`${'x'.repeat(40_000)}\ud83d`)
  await output.write('\ude00!')
  await output.write('\ud83d')
  await output.close()
  expect((await readAll(log, 1 << 20)).toString()).toBe(`${'x'.repeat(40_000)}😀!\ufffd`)
})

test('text is recorded soon, without being closed', async () => {
  const log = await openLog()
  const stop = new AbortController()
  void writer(log).write('soon')
  for await (const item of log.subscribe({ after: '0', filter: { streamPrefixes: ['output-'] }, signal: stop.signal }))
    if (item.kind === 'event') {
      expect(item.event.data).toMatchObject({ offset: 0, bytes: 4, text: 'soon' })
      stop.abort()
    }
})

test('past the cap a note is written once, also by later attempts', async () => {
  const log = await openLog()
  const first = writer(log, { capBytes: 10 })
  await first.write('123456789€and more')
  await first.close()
  const second = writer(log, { capBytes: 10, attempt: 2 })
  await second.write('nothing')
  await second.close()
  expect((await readAll(log, 1000)).toString()).toBe('123456789\n[the output was cut off: more than 10 bytes]\n')
})

test('the note stands on a line of its own, and nothing is accepted after it', async () => {
  const log = await openLog()
  const output = writer(log, { capBytes: 40_000 })
  await output.write(`${'x'.repeat(39_999)}\n`)
  expect(output.accepts()).toBe(true)
  await output.write('y'.repeat(40_000), 'stderr')
  expect(output.accepts()).toBe(false)
  await output.close()
  expect((await written(log)).at(-1)).toMatchObject({
    offset: 40_000,
    text: '[the output was cut off: more than 40000 bytes]\n',
    stream: 'stderr',
  })
})

test('stdout and stderr are recorded in the order in which they came', async () => {
  const log = await openLog()
  const output = writer(log)
  await output.write('one\n')
  await output.write('two\ud83d')
  await output.write('three\n', 'stderr')
  await output.write('\ude00\n', 'stdout')
  for (let index = 0; index < 200; index++) await output.write(`${index}\n`, index % 2 === 0 ? 'stderr' : 'stdout')
  await output.close()
  const events = await written(log)
  expect(events.slice(0, 4).map(({ stream, text }) => [stream, text])).toEqual([
    [undefined, 'one\ntwo'],
    ['stderr', 'three\n'],
    [undefined, '😀\n'],
    ['stderr', '0\n'],
  ])
  expect(events.slice(3).map(({ text }) => text)).toEqual(Array.from({ length: 200 }, (_, index) => `${index}\n`))
})

test('text that is six times as long in JSON fits into the appends', async () => {
  const log = await openLog()
  const problems: string[] = []
  const output = writer(log, { onProblem: (problem) => problems.push(problem) })
  const text = '\u0001'.repeat(500_000)
  await output.write(text)
  await output.close()
  expect(problems).toEqual([])
  expect((await readAll(log, 1 << 20)).toString()).toBe(text)
})

test('a later attempt goes on where the last one ended', async () => {
  const log = await openLog()
  for (const attempt of [1, 2]) {
    const output = writer(log, { attempt })
    await output.write(`attempt ${attempt}\n`)
    await output.close()
  }
  expect(await written(log)).toMatchObject([
    { attempt: 1, offset: 0 },
    { attempt: 2, offset: 10 },
  ])
})

test('a superseded attempt writes nothing between the lines of its successor', async () => {
  const log = await openLog()
  const problems: string[] = []
  const late = writer(log, { onProblem: (problem) => problems.push(problem) })
  await late.write('x'.repeat(40_000))
  const next = writer(log, { attempt: 2 })
  await next.write('next')
  await next.close()
  await late.write('y'.repeat(40_000))
  await late.close()
  expect((await readAll(log, 1 << 20)).toString()).toBe(`${'x'.repeat(40_000)}next`)
  expect(problems).toEqual(['another attempt writes the output'])
})

test('nothing is recorded once the attempt was lost', async () => {
  const log = await openLog()
  const output = writer(log, { isLive: () => false })
  await output.write('x'.repeat(40_000))
  await output.close()
  expect(await written(log)).toEqual([])
})

test('reading at any offset and limit gives the bytes', async () => {
  const log = await openLog()
  const output = writer(log)
  const text = Array.from({ length: 30 }, (_, index) => `${index}😀é`.repeat(600 + 97 * index)).join('')
  for (let from = 0; from < text.length; from += 3001) await output.write(text.slice(from, from + 3001))
  await output.close()
  const whole = Buffer.from(text)
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length + 10), fc.integer({ min: 1, max: 100_000 }), async (offset, limit) => {
      const { content, size } = await readOutput(log, operationId, { offset, limit })
      expect(size).toBe(whole.length)
      expect(content.equals(whole.subarray(offset, offset + content.length))).toBe(true)
      expect(content.length).toBeGreaterThanOrEqual(Math.min(Math.max(0, whole.length - offset), Math.max(1, limit - 3)))
    }),
    { numRuns: 60 },
  )
  for (const limit of [1, 7, 65_536]) {
    const part = limit === 65_536 ? await readAll(log, limit) : undefined
    if (part !== undefined) expect(part.equals(whole)).toBe(true)
  }
})

test('slices end between two characters, unless not even one fits', async () => {
  const log = await openLog()
  const output = writer(log)
  await output.write('a😀b')
  await output.close()
  const slice = (offset: number, limit: number) => readOutput(log, operationId, { offset, limit }).then(({ content }) => content)
  expect((await slice(0, 3)).toString()).toBe('a')
  expect((await slice(0, 5)).toString()).toBe('a😀')
  expect(await slice(1, 2)).toHaveLength(2)
  expect(await slice(6, 10)).toHaveLength(0)
  expect((await readAll(log, 1)).toString()).toBe('a😀b')
})

test('an operation without output has none', async () => {
  const log = await openLog()
  expect(await readOutput(log, operationId, { offset: 0, limit: 10 })).toEqual({
    content: Buffer.alloc(0),
    parts: [],
    nextOffset: 0,
    size: 0,
  })
})
