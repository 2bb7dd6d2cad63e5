import type { IncomingMessage } from 'node:http'
import { inexactNumbers } from '../../lib/inexact-numbers.ts'
import { isObject, type JsonObject, type JsonValue } from '../../lib/json.ts'
import { headerOf } from '../faces/arrival.ts'
import type { HttpContext } from '../faces/http-context.ts'
import { Problem } from '../replies/problem.ts'

/** A body in memory that has not arrived whole after this time is given up. */
const wholeBodyMs = 300_000
/** Deeper JSON would overflow the stack of what walks it later (validation, serialisation). */
const maxDepth = 100

/**
 * The body's bytes, read once however often it is asked for. Throws the problems `too-large` (as soon as the limit is passed, or
 * announced by `Content-Length`), `overloaded` (large bodies are in work already), `request-timeout` and `invalid` (the client went away).
 */
export const readBody = (c: HttpContext): Promise<Buffer> => {
  const { incoming, request } = c
  c.body ??= incoming === undefined ? readStream(request?.body ?? null, c) : readIncoming(incoming, c)
  return c.body
}

/**
 * The connection stays open while the rest of the body is read and thrown away (the listener does, within bounds): closed at once,
 * it would be reset before the client has read the answer.
 */
export const tooLarge = (limit: number): Problem => new Problem('too-large', `the body is over ${limit} bytes`)

export const tooLate = (): Problem =>
  new Problem('request-timeout', 'the body did not arrive in time', { headers: { Connection: 'close' } })

export const cutOff = (): Problem => new Problem('invalid', 'the body ended before it was complete')

const readIncoming = async (incoming: IncomingMessage, c: HttpContext): Promise<Buffer> => {
  const { maxBodyBytes: limit, bodies } = c
  const length = Number(incoming.headers['content-length'] ?? 0)
  if (length > limit) throw tooLarge(limit)
  // A body that came with its head is there by now: taken at once it needs no listeners and no time limit (8 µs a request).
  await undefined
  if (length > 0 && incoming.readableLength === length) {
    bodies.hold(c, length)
    const whole: Buffer = incoming.read()
    incoming.resume()
    return whole
  }
  if (incoming.readableEnded) return Buffer.alloc(0)
  return listenTo(incoming, c)
}

const listenTo = (incoming: IncomingMessage, c: HttpContext): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const { maxBodyBytes: limit, bodies, clock, bodyIdleMs } = c
    const chunks: Buffer[] = []
    let bytes = 0
    const tooSlow = (): void => settle(() => reject(tooLate()))
    const cancel = clock.after(wholeBodyMs, tooSlow)
    const settle = (finish: () => void): void => {
      incoming.off('data', onData).off('end', onEnd).off('close', onClose)
      incoming.setTimeout(0)
      cancel()
      finish()
    }
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      chunks.push(chunk)
      try {
        if (bytes > limit) throw tooLarge(limit)
        bodies.hold(c, bytes)
      } catch (error) {
        chunks.length = 0
        settle(() => reject(error))
      }
    }
    const onEnd = (): void =>
      settle(() => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)))
    const onClose = (): void => settle(() => reject(cutOff()))
    incoming.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
    incoming.setTimeout(bodyIdleMs, tooSlow)
  })

const readStream = async (body: ReadableStream<Uint8Array> | null, c: HttpContext): Promise<Buffer> => {
  const { maxBodyBytes: limit, bodies } = c
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > limit) throw tooLarge(limit)
    bodies.hold(c, bytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

export type ParsedJson = { readonly value: JsonValue; readonly text: string } | { readonly malformed: string }

/** JSON of any shape from UTF-8 bytes (a byte order mark is passed over), at most 100 levels deep; never throws. */
export const parseJson = (bytes: Uint8Array): ParsedJson => {
  let text: string
  try {
    text = strictUtf8.decode(bytes)
  } catch {
    return { malformed: 'the body is not valid UTF-8' }
  }
  if (text.length > maxDepth && isDeep(text)) return { malformed: `the body is nested deeper than ${maxDepth} levels` }
  try {
    return { value: JSON.parse(text) as JsonValue, text }
  } catch {
    return { malformed: text.trim() === '' ? 'the body is empty' : 'the body is not valid JSON' }
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

const isDeep = (text: string): boolean => {
  let depth = 0
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case 0x22: // a string: nothing inside counts
        for (index++; index < text.length && text.charCodeAt(index) !== 0x22; index++)
          if (text.charCodeAt(index) === 0x5c) index++
        break
      case 0x5b:
      case 0x7b:
        if (++depth > maxDepth) return true
        break
      case 0x5d:
      case 0x7d:
        depth--
    }
  }
  return false
}

/** The media type before its parameters, lower case; empty where none is declared. */
export const mediaType = (header = ''): string => {
  const end = header.indexOf(';')
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase()
}

/** Throws the problem `unsupported-media-type` where the body is declared to be compressed or otherwise encoded. */
export const refuseEncodings = (c: HttpContext): void => {
  const encoding = (headerOf(c, 'content-encoding') ?? 'identity').toLowerCase()
  if (encoding !== 'identity') throw new Problem('unsupported-media-type', 'bodies with a Content-Encoding are not accepted')
}

/** A JSON object as the native API takes it. Throws problems. `optional`: no body stands for `{}`. */
export const readJsonObject = async (c: HttpContext, optional = false): Promise<JsonObject> => {
  const type = mediaType(headerOf(c, 'content-type'))
  if (type !== '' && type !== 'application/json')
    throw new Problem('unsupported-media-type', `the body is declared ${type}; it must be application/json`)
  refuseEncodings(c)
  const bytes = await readBody(c)
  if (type === '' && bytes.length > 0)
    throw new Problem('unsupported-media-type', 'the body has no Content-Type; it must be application/json')
  return readJsonOfAnyType(c, optional)
}

/** A JSON object whatever type it is declared to be. Throws problems; an empty body is `invalid` unless it is `optional`. */
export const readJsonOfAnyType = async (c: HttpContext, optional = false): Promise<JsonObject> => {
  const bytes = await readBody(c)
  if (bytes.length === 0 && optional) return {}
  await c.bodies.turn(bytes.length)
  const parsed = parseJson(bytes)
  if ('malformed' in parsed)
    throw new Problem('invalid', parsed.malformed, { errors: [{ pointer: '', message: parsed.malformed }] })
  if (!isObject(parsed.value))
    throw new Problem('invalid', 'the body is not a JSON object', { errors: [{ pointer: '', message: 'must be an object' }] })
  const errors = inexactNumbers(parsed.text)
  if (errors.length > 0) throw new Problem('invalid', 'a number in the body cannot be stored exactly', { errors })
  // What is large is recorded in a turn of its own.
  await c.bodies.turn(bytes.length)
  return parsed.value
}
