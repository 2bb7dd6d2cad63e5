import { createHash, randomBytes } from 'node:crypto'
import { v5, v7 } from 'uuid'

const namespace = '6f6b7a0e-5d55-5c3f-9a43-3e0f4a6f7c11'

/** A new UUID, version 7 (RFC 9562): ids sort by the time of their making. */
export const newId = (): string => v7()

/** The same id for the same words, always: UUID version 5. */
export const derivedId = (...words: readonly (string | number)[]): string => v5(words.join('\u0000'), namespace)

/** Id of the n-th event of a command: a repeated append carries the same ids and is recognised. */
export const eventId = (commandId: string, index: number): string => derivedId('event', commandId, index)

/** Lower-case hexadecimal SHA-256. */
export const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex')

/** `bytes` random bytes, base64url: for tokens. */
export const randomToken = (bytes: number): string => randomBytes(bytes).toString('base64url')

/** A number in [0, 1). */
export const randomFraction = (): number => Math.random()

/** Any UUID in its lower-case form. */
export const isUuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
