/** Bytes of the beginning of a line that are kept; the end is cut off only after secrets were masked, so that no part of one stays. */
const keptBytes = 64 * 1024
const newline = 0x0a
const nothing = Buffer.alloc(0)

/** Lets a stream through, and keeps its last line: the message of an error. */
export const createLastText = () => {
  /** The last line that has ended and is not blank. */
  let last = nothing
  /** The line that has not ended. */
  let begun = nothing

  const take = (chunk: Buffer): void => {
    const end = chunk.lastIndexOf(newline)
    for (let to = end; to >= 0; ) {
      const from = to === 0 ? 0 : chunk.lastIndexOf(newline, to - 1) + 1
      const line = from === 0 ? joined(begun, chunk.subarray(0, to)) : joined(nothing, chunk.subarray(from, to))
      if (!isBlank(line)) {
        last = line
        break
      }
      to = from - 1
    }
    begun = joined(end < 0 ? begun : nothing, chunk.subarray(end + 1))
  }

  return {
    pass: async function* (stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of stream) {
        take(chunk)
        yield chunk
      }
    },
    /** Undefined where there is no line but blank ones. */
    lastLine: (): string | undefined => {
      const line = isBlank(begun) ? last : begun
      return isBlank(line) ? undefined : line.toString().replace(/\r$/, '')
    },
  }
}

/** The beginning of both; a copy, which does not hold a whole chunk. */
const joined = (one: Buffer, other: Buffer): Buffer<ArrayBuffer> =>
  Buffer.concat([one, other.subarray(0, Math.max(0, keptBytes - one.length))])

const isBlank = (line: Buffer): boolean => line.toString('latin1').trim() === ''
