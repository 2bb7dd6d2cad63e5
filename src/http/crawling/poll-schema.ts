import { pythonRepr } from '../../events/crawling/python-repr.ts'
import { exactly } from '../../lib/exact-json.ts'
import { isObject, type JsonValue } from '../../lib/json.ts'
import type { Payload } from './payload.ts'

/** In Unicode code points. */
const longestPollId = 100

/**
 * The `poll_id` of a poll, or why the request is none, in the words and the order of the original's validator (jsonschema 2.6.0,
 * Draft 4): type, properties, required, additional properties. Source: crawling contract, section 3.
 */
export const pollId = ({ value, text }: Payload): { readonly pollId: string } | { readonly cause: string } => {
  if (!isObject(value)) return { cause: `${repr(exactly(text))} is not of type ${repr('object')}` }
  const given = Object.hasOwn(value, 'poll_id') ? (value.poll_id as JsonValue) : undefined
  if (given !== undefined && typeof given !== 'string') {
    const exact = (exactly(text) as { readonly poll_id: JsonValue }).poll_id
    return { cause: `${repr(exact)} is not of type ${repr('string')}` }
  }
  if (given === '') return { cause: `${repr(given)} is too short` }
  if (given !== undefined && isLong(given)) return { cause: `${repr(given)} is too long` }
  if (given === undefined) return { cause: `${repr('poll_id')} is a required property` }
  const others = Object.keys(value).filter((key) => key !== 'poll_id')
  if (others.length === 0) return { pollId: given }
  const verb = others.length === 1 ? 'was' : 'were'
  return { cause: `Additional properties are not allowed (${others.map(repr).join(', ')} ${verb} unexpected)` }
}

const repr = (value: JsonValue): string => pythonRepr(JSON.stringify(value))

const isLong = (text: string): boolean => {
  let left = longestPollId
  for (const _ of text) if (left-- === 0) return true
  return false
}
