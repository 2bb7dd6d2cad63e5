import { decode } from '../../lib/charset.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { pythonCodec } from './python-codecs.ts'

/** A crawled page as consumers read it, all but its body: native names and order of the original's item. */
export interface ItemDocument extends JsonObject {
  readonly appid: string
  readonly crawlid: string
  readonly attrs: JsonObject | null
  /** URL of the last request, after redirects. */
  readonly url: string
  readonly response_url: string
  readonly status_code: number
  readonly status_msg: 'OK'
  readonly request_headers: { readonly [name: string]: readonly string[] }
  readonly response_headers: { readonly [name: string]: readonly string[] }
  /** By its name in the Encoding Standard; null when the response is not text. */
  readonly encoding: string | null
  readonly links: readonly { readonly url: string; readonly text: string }[]
  /** UTC with microseconds and without zone, as Python prints it. */
  readonly timestamp: string
}

/** The item with its body: text by its encoding; base64 of the bytes when asked for or when it is no text. */
export interface Item extends JsonObject {
  /** The name of a Python codec that takes the bytes, whatever they are. */
  readonly encoding: string
  readonly body: string
  /** Only where a response that is not text made it so. */
  readonly body_base64?: true
}

/** The item as it is sent. `base64` is the setting that wants every body as base64. */
export const itemWithBody = (
  document: ItemDocument,
  body: Buffer,
  { base64 = false }: { readonly base64?: boolean } = {},
): Item => {
  const { encoding, links, timestamp, ...before } = document as ItemDocument & Record<string, JsonValue>
  const text = base64 || encoding === null ? body.toString('base64') : decode(body, encoding)
  return {
    ...before,
    body: text,
    encoding: pythonCodec(encoding),
    links,
    timestamp,
    ...(encoding === null ? { body_base64: true as const } : {}),
  }
}
