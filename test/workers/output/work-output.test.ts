import { PassThrough, Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StandardStream } from '../../../src/events/output.ts'
import type { OutputWriter } from '../../../src/workers/output/output-writer.ts'
import { createRedaction, noRedaction } from '../../../src/workers/output/redaction.ts'
import { createWorkOutput } from '../../../src/workers/output/work-output.ts'

/** A writer that keeps what it is given; `hold` makes it busy until the function that it returns is called. */
const keeping = ({ most = Infinity } = {}) => {
  const kept = { stdout: '', stderr: '' }
  let free: Promise<void> = Promise.resolve()
  const writer: OutputWriter = {
    write: (text, stream: StandardStream = 'stdout') => {
      kept[stream] += text
      return free
    },
    accepts: () => kept.stdout.length + kept.stderr.length < most,
    close: async () => {},
    discard: () => {},
  }
  const hold = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    free = promise
    return resolve
  }
  return { kept, writer, hold }
}

const piecesOf = (content: Buffer, lengths: readonly number[]): Buffer[] => {
  const pieces: Buffer[] = []
  for (let at = 0, index = 0; at < content.length; index++) {
    const length = lengths[index % lengths.length] ?? 1
    pieces.push(content.subarray(at, at + length))
    at += length
  }
  return pieces
}

const lengths = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 })

describe('pipe', () => {
  test('a character may be split over chunks', () =>
    fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), lengths, async (text, sizes) => {
        const { kept, writer } = keeping()
        const content = Buffer.from(`\ufeff${text}😀`)
        await createWorkOutput(writer, noRedaction).pipe(Readable.from(piecesOf(content, sizes)), 'stderr')
        expect(kept).toEqual({ stdout: '', stderr: content.toString() })
      }),
      { numRuns: 20 },
    ))

  test('what is no UTF-8 is shown as U+FFFD, also at the end', async () => {
    const { kept, writer } = keeping()
    await createWorkOutput(writer, noRedaction).pipe(
      Readable.from([Buffer.from([0x61, 0xff, 0x62]), Buffer.from([0xe2, 0x82])]),
      'stdout',
    )
    expect(kept.stdout).toBe('a\ufffdb\ufffd')
  })

  test('a secret is masked wherever the chunks are cut, while another source is piped beside it', () =>
    fc.assert(
      fc.asyncProperty(lengths, lengths, async (some, others) => {
        const { kept, writer } = keeping()
        const output = createWorkOutput(writer, createRedaction(['pässwörd-1']))
        const content = Buffer.from('the key is pässwörd-1, not pässwörd-2')
        await Promise.all([some, others].map((sizes) => output.pipe(Readable.from(piecesOf(content, sizes)), 'stdout')))
        await output.pipe(Readable.from(piecesOf(content, some)), 'stderr')
        expect(kept.stdout.split('***')).toHaveLength(3)
        expect(kept.stderr).toBe('the key is ***, not pässwörd-2')
      }),
      { numRuns: 30 },
    ))

  test('the source is read no faster than its text is taken', async () => {
    const { kept, writer, hold } = keeping()
    const release = hold()
    let read = 0
    const source = new Readable({
      highWaterMark: 1,
      read() {
        read += 1
        this.push(read <= 1_000 ? `${read}\n` : null)
      },
    })
    const piped = createWorkOutput(writer, noRedaction).pipe(source, 'stdout')
    await new Promise((resolve) => setImmediate(resolve))
    expect(read).toBeLessThan(5)
    release()
    await piped
    expect(kept.stdout).toBe(Array.from({ length: 1_000 }, (_, index) => `${index + 1}\n`).join(''))
  })

  test('past the cap the source is read to its end', async () => {
    const { kept, writer } = keeping({ most: 100_000 })
    let left = 200
    const source = new Readable({
      read() {
        this.push(left-- > 0 ? Buffer.alloc(65_536, 'x') : null)
      },
    })
    await createWorkOutput(writer, noRedaction).pipe(source, 'stdout')
    expect(left).toBeLessThan(0)
    expect(kept.stdout.length).toBe(2 * 65_536)
  })

  test('a source that fails gives what came before, and its error', async () => {
    const { kept, writer } = keeping()
    const output = createWorkOutput(writer, createRedaction(['before the secret']))
    const source = new PassThrough()
    const piped = output.pipe(source, 'stdout')
    source.write('before')
    setImmediate(() => source.destroy(new Error('gone')))
    await expect(piped).rejects.toThrow('gone')
    expect(kept.stdout).toBe('before')
  })

  test('a source that is destroyed has ended', async () => {
    const { kept, writer } = keeping()
    const source = new PassThrough()
    const piped = createWorkOutput(writer, noRedaction).pipe(source, 'stderr')
    source.write('before')
    setImmediate(() => source.destroy())
    await piped
    expect(kept.stderr).toBe('before')
  })
})

test('a secret that is split over two calls is masked; the other stream does not come between', async () => {
  const { kept, writer } = keeping()
  const output = createWorkOutput(writer, createRedaction(['hunter2-secret']))
  await output.output('a hunter2-')
  await output.output('hunter2', 'stderr')
  await output.output('secret')
  await output.end()
  expect(kept).toEqual({ stdout: 'a ***', stderr: 'hunter2' })
})
