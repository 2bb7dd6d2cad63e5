import { instant } from '../../../lib/clock.ts'
import type { JsonObject } from '../../../lib/json.ts'
import type { ItemDocument } from '../../../projections/crawling/item.ts'
import type { Header } from '../../outbound/headers.ts'

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
