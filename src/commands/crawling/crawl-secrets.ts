import { maskUserinfo, withoutUserinfo } from '../../events/crawling/userinfo.ts'
import { secretMask } from '../../events/sealed.ts'
import { isObject, type JsonValue } from '../../lib/json.ts'

/**
 * A fed payload as it may be kept and quoted: its cookie and the userinfo of its addresses are masked. For payloads that nobody works
 * on from what is kept; a crawl that is worked on has its secrets sealed.
 */
export const withoutCrawlSecrets = (payload: JsonValue): JsonValue => {
  if (typeof payload === 'string') return maskUserinfo(payload.replace(cookieMember, `$1"${secretMask}"`))
  if (Array.isArray(payload)) return payload.map((item) => withoutCrawlSecrets(item as JsonValue))
  if (!isObject(payload)) return payload
  return Object.fromEntries(Object.entries(payload).map(([name, value]) => [name, memberOf(name, value as JsonValue)]))
}

const memberOf = (name: string, value: JsonValue): JsonValue => {
  if (name.trim().toLowerCase() === 'cookie') return secretMask
  return typeof value === 'string' && name === 'url' ? maskUserinfo(withoutUserinfo(value)) : withoutCrawlSecrets(value)
}

/** The member in a text that is not JSON, or not to its end. */
const cookieMember = /("cookie"[ \t]{0,20}:[ \t]{0,20})"(?:[^"\\]|\\[\s\S])*(?:"|$)/gi
