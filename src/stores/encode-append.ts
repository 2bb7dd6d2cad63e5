import type { Metadata } from '../events/define.ts'
import { messageOf, Oversize, Unacceptable } from '../lib/errors.ts'
import { isUuid } from '../lib/ids.ts'
import { isObject, type JsonObject, plainCopy } from '../lib/json.ts'
import type { Expected, NewEvent } from './event-log.ts'

/** Most bytes of data (JSON in UTF-8) in one append where nothing else is said: the usual limit of an EventStoreDB server. */
export const maxAppendBytes = 1024 * 1024
const longestName = 1024
/** Longer data is parsed from its text when somebody asks for it: as values it takes up to twenty times the memory. */
const longestCopied = 64 * 1024
/** The nil UUID (RFC 9562) names nothing. */
const noId = '00000000-0000-0000-0000-000000000000'

/** One event on its way to the log: everything is text already. */
export interface EncodedEvent {
  readonly id: string
  readonly type: string
  readonly data: string
  readonly metadata: string
  /** Data and metadata as readers get them, if known without parsing the texts. */
  readonly values?: { readonly data: JsonObject; readonly metadata: Metadata } | undefined
  /** Its data is long. */
  readonly isLarge?: boolean | undefined
}

export interface AppendRequest {
  readonly kind: 'append'
  readonly stream: string
  readonly expected: Expected
  readonly events: readonly EncodedEvent[]
  /** When the events were recorded elsewhere before, milliseconds since the epoch; without it they are recorded now. */
  readonly recordedAt?: number
  /** Length of all texts together; a measure of memory, not of the disk. */
  readonly size: number
}

/** Checks and serialises an append before any I/O, the same for every adapter; throws `Unacceptable` for what can never be stored. */
export const encodeAppend = (
  stream: string,
  expected: Expected,
  events: readonly NewEvent[],
  maxBytes = maxAppendBytes,
): AppendRequest => {
  checkName('stream', stream)
  checkExpected(expected)
  if (events.length === 0) throw new Unacceptable(`an append to ${stream} holds no event`)
  const ids = new Set<string>()
  let characters = 0
  let size = 0
  // Events of one command share their metadata object: it is serialised once.
  let shared: { readonly of: unknown; readonly as: Serialised } | undefined
  const encoded = events.map((event) => {
    if (!isUuid(event.id) || event.id === noId) throw new Unacceptable(`the event id "${event.id}" is not a UUID in lower case`)
    if (events.length > 1 && ids.has(event.id)) throw new Unacceptable(`the event id ${event.id} is used twice in one append`)
    if (events.length > 1) ids.add(event.id)
    checkName('event type', event.type)
    const data = serialise('data', event.type, event.data)
    if (shared?.of !== event.metadata) shared = { of: event.metadata, as: serialise('metadata', event.type, event.metadata) }
    const metadata = shared.as
    characters += data.text.length
    size += data.text.length + metadata.text.length
    const known = data.copy !== undefined && metadata.copy !== undefined
    const values = known ? { data: data.copy, metadata: metadata.copy as unknown as Metadata } : undefined
    const isLarge = data.text.length > longestCopied || undefined
    return { id: event.id, type: event.type, data: data.text, metadata: metadata.text, values, isLarge }
  })
  // A character takes three bytes at most: they are counted only where they may be too many.
  if (3 * characters > maxBytes && encoded.reduce((sum, { data }) => sum + Buffer.byteLength(data), 0) > maxBytes)
    throw new Oversize(`an append to ${stream} holds more than ${maxBytes} bytes of data; put large content into a blob`)
  return { kind: 'append', stream, expected, events: encoded, size }
}

/** Throws `Unacceptable` for what no log takes as the name of a stream or a type. */
export const checkName = (what: string, name: string): void => {
  if (typeof name === 'string' && name.startsWith('$'))
    throw new Unacceptable(`the ${what} name ${JSON.stringify(name)} begins with $: such names belong to the log server`)
  if (typeof name !== 'string' || name.length === 0 || name.length > longestName || name.includes('\0') || !name.isWellFormed())
    throw new Unacceptable(`the ${what} name ${JSON.stringify(name)} is not 1 to ${longestName} characters of well-formed text`)
}

const checkExpected = (expected: Expected): void => {
  if (expected === 'noStream' || expected === 'streamExists' || expected === 'any') return
  if (!Number.isSafeInteger(expected) || expected < 0)
    throw new Unacceptable(`the expected revision ${expected} is not a whole number of 0 or more`)
}

interface Serialised {
  readonly text: string
  readonly copy: JsonObject | undefined
}

/** The object as text, and what comes out of that text where the object is plain; the caller may go on changing what it gave. */
const serialise = (what: string, type: string, value: unknown): Serialised => {
  if (!isObject(value)) throw new Unacceptable(`the ${what} of ${type} is not a JSON object`)
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    throw new Unacceptable(`the ${what} of ${type} cannot be serialised: ${messageOf(error)}`)
  }
  // A toJSON may have turned the object into something else.
  if (!text?.startsWith('{')) throw new Unacceptable(`the ${what} of ${type} is not a JSON object`)
  return { text, copy: text.length > longestCopied ? undefined : (plainCopy(value) as JsonObject | undefined) }
}
