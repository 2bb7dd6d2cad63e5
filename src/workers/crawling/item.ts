import { instant } from '../../lib/clock.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { decode } from './charset.ts'
import type { Header } from './headers.ts'
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

const grouped = (headers: readonly Header[]): Record<string, string[]> => {
  const groups = new Map<string, string[]>()
  for (const [name, value] of headers) {
    const group = groups.get(name)
    if (group) group.push(value)
    else groups.set(name, [value])
  }
  return Object.fromEntries(groups)
}

/** The document of a fetched page as JSON. `links` is JSON already, in UTF-8; `fetchedAt` is in milliseconds since the epoch. */
export const itemDocument = (page: {
  readonly appid: string
  readonly crawlid: string
  readonly attrs: JsonObject | null
  readonly url: string
  readonly responseUrl: string
  readonly statusCode: number
  readonly requestHeaders: readonly Header[]
  readonly responseHeaders: readonly Header[]
  readonly encoding: string | null
  readonly links: Uint8Array
  readonly fetchedAt: number
}): Buffer => {
  const before: Omit<ItemDocument, 'links' | 'timestamp'> = {
    appid: page.appid,
    crawlid: page.crawlid,
    attrs: page.attrs,
    url: page.url,
    response_url: page.responseUrl,
    status_code: page.statusCode,
    status_msg: 'OK',
    request_headers: grouped(page.requestHeaders),
    response_headers: grouped(page.responseHeaders),
    encoding: page.encoding,
  }
  const timestamp = `${instant(page.fetchedAt).slice(0, -1)}000`
  return Buffer.concat([
    Buffer.from(`${JSON.stringify(before).slice(0, -1)},"links":`),
    page.links,
    Buffer.from(`,"timestamp":"${timestamp}"}`),
  ])
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
