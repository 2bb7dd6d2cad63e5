import type { JsonObject } from '../../../lib/json.ts'
import { type Item, type ItemDocument, itemWithBody } from '../../../projections/crawling/item.ts'
import type { Blobs } from '../../../stores/blobs.ts'
import type { RecordedEvent } from '../../../stores/event-log.ts'

/** What consumers fetch at most, with room for what surrounds a message. Source: crawling contract, section 8. */
const mostBytes = 10 * 1024 * 1024 - 65_536

export interface SentItem {
  readonly text: string
  /** The same without its body, for topics that do not take the whole. */
  readonly short: string
}

/** The item of a fetched page as it is sent; undefined where the store no longer has it. Source: crawling contract, section 7. */
export const itemOf = async (
  blobs: Blobs,
  { data }: RecordedEvent,
  { base64 }: { readonly base64: boolean },
): Promise<SentItem | undefined> => {
  const [document, body] = await Promise.all([blobs.get(String(data.item)), blobs.get(String(data.body))])
  if (document === undefined || body === undefined) return undefined
  const known = JSON.parse(document.toString('utf8')) as ItemDocument
  const short = JSON.stringify(withoutBody(itemWithBody(known, Buffer.alloc(0))))
  // UTF-8 text is at least as long as the bytes it was sent in, except in encodings that are not used for large pages.
  if (body.length > mostBytes) return { text: short, short }
  const text = JSON.stringify(itemWithBody(known, body, { base64 }))
  return { text: Buffer.byteLength(text) > mostBytes ? short : text, short }
}

const withoutBody = ({ body: _body, body_base64: _base64, ...item }: Item): JsonObject => {
  const { encoding, links, timestamp, ...before } = item as Item & JsonObject
  return { ...before, body: '', encoding, links, timestamp, body_truncated: true }
}
