/** Bytes of the end of a text that are kept: the last line is the message of an error. */
const keptBytes = 8 * 1024
const longestMessage = 2_000

/** Lets a stream through, and keeps its end. */
export const createLastText = () => {
  let end = Buffer.alloc(0)
  return {
    pass: async function* (stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of stream) {
        end =
          chunk.length >= keptBytes ? Buffer.from(chunk.subarray(-keptBytes)) : Buffer.concat([end, chunk]).subarray(-keptBytes)
        yield chunk
      }
    },
    /** Undefined where there is no line but blank ones. */
    lastLine: (): string | undefined => {
      const line = end
        .toString()
        .split(/\r?\n/)
        .findLast((text) => text.trim() !== '')
      return line?.slice(0, longestMessage)
    },
  }
}
