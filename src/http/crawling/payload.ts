import type { JsonValue } from '../../lib/json.ts'
import { headerOf } from '../faces/arrival.ts'
import type { HttpContext } from '../faces/http-context.ts'
import { mediaType, parseJson, readBody } from '../reading/body.ts'

export interface Payload {
  readonly value: JsonValue
  /** The text that was parsed, for what parsing forgets. */
  readonly text: string
}

/**
 * The JSON of a request; undefined where it is declared as something else (then the body is not looked at), is no JSON, or is
 * `null`. Source: crawling contract, section 1, content type and body parsing.
 */
export const readPayload = async (c: HttpContext): Promise<Payload | undefined> => {
  if (!isJson(mediaType(headerOf(c, 'content-type')))) return undefined
  const bytes = await readBody(c)
  await c.bodies.turn(bytes.length)
  const parsed = parseJson(bytes)
  if ('malformed' in parsed || parsed.value === null) return undefined
  await c.bodies.turn(bytes.length)
  return parsed
}

const isJson = (type: string): boolean =>
  type === 'application/json' || (type.startsWith('application/') && type.endsWith('+json'))
