import type { Reply } from './reply.ts'

const chunkCharacters = 64 * 1024

/** Answers with one JSON value a line, as many as come, in constant memory. */
export const ndjson = (lines: AsyncGenerator<string>, headers: Readonly<Record<string, string>> = {}): Reply => {
  const body = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        let chunk = ''
        while (chunk.length < chunkCharacters) {
          const { done, value } = await lines.next()
          if (done === true) {
            if (chunk !== '') controller.enqueue(Buffer.from(chunk))
            return controller.close()
          }
          chunk += `${value}\n`
        }
        controller.enqueue(Buffer.from(chunk))
      },
      cancel: async () => void (await lines.return(undefined)),
    },
    { highWaterMark: 0 },
  )
  return { status: 200, headers: { 'Content-Type': 'application/x-ndjson', ...headers }, body }
}
