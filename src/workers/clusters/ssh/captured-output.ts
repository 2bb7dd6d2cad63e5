import { Readable } from 'node:stream'
import type { StandardStream } from '../../../events/output.ts'
import type { ExecOptions } from './ssh.ts'

export type OutputPipe = NonNullable<ExecOptions['pipe']>

/** Hands on what commands print, and shows each chunk to `see` before. */
export const watched =
  (pipe: OutputPipe, see: (chunk: Buffer, stream: StandardStream) => void): OutputPipe =>
  (source, stream) =>
    pipe(Readable.from(seen(source, stream, see), { objectMode: false }), stream)

const seen = async function* (
  source: Readable,
  stream: StandardStream,
  see: (chunk: Buffer, stream: StandardStream) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of source as AsyncIterable<Buffer>) {
    see(chunk, stream)
    yield chunk
  }
}

/** Keeps the first bytes that it is given. */
export const firstBytes = (most: number) => {
  let kept: Buffer = Buffer.alloc(0)
  return {
    add: (chunk: Buffer): void => {
      if (kept.length < most) kept = Buffer.concat([kept, chunk.subarray(0, most - kept.length)])
    },
    text: (): string => kept.toString('utf8'),
  }
}

/** Keeps the last bytes that it is given. */
export const lastBytes = (most: number) => {
  let kept: Buffer = Buffer.alloc(0)
  return {
    add: (chunk: Buffer): void => {
      const all = Buffer.concat([kept, chunk.subarray(Math.max(0, chunk.length - most))])
      kept = Buffer.from(all.subarray(Math.max(0, all.length - most)))
    },
    text: (): string => kept.subarray(brokenStart(kept)).toString('utf8'),
  }
}

/** Bytes at the beginning that are the end of a character of UTF-8 which was cut in two. */
const brokenStart = (bytes: Buffer): number => {
  let from = 0
  while (from < 3 && ((bytes[from] ?? 0) & 0xc0) === 0x80) from++
  return from
}
