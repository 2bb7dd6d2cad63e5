import type { Reply } from './reply.ts'

/** An answer in JSON. */
export const json = (value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Reply =>
  jsonText(JSON.stringify(value), status, headers)

/** The same from a text that is JSON already. */
export const jsonText = (text: string, status = 200, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { 'Content-Type': 'application/json', ...headers },
  body: text,
})

const mostAtOnce = 1_048_576
const itemsPerChunk = 500

/** A list of texts that are JSON already; a long one is sent in parts, so that no turn of the event loop is spent on all of it. */
export const jsonList = (items: readonly string[]): Reply => {
  const length = items.reduce((sum, item) => sum + item.length, 0)
  if (length <= mostAtOnce) return jsonText(`[${items.join(',')}]`)
  let at = 0
  const body = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        const part = items.slice(at, at + itemsPerChunk).join(',')
        const begin = at === 0 ? '[' : ','
        at += itemsPerChunk
        const isLast = at >= items.length
        controller.enqueue(Buffer.from(`${begin}${part}${isLast ? ']' : ''}`))
        if (isLast) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  return { ...jsonText(''), body }
}
