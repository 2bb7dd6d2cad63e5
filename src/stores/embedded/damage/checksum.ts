import { crc32 } from 'node:zlib'
import { Damaged, messageOf, Unavailable } from '../../../lib/errors.ts'
import { isObject } from '../../../lib/json.ts'
import type { EncodedEvent } from '../../encode-append.ts'

/** SQLite's codes for a malformed file, and for a file that is not a database. */
const damageCodes = [11, 26]
const damageWords = /malformed|not a database/

/** Whether bytes of the file are to blame: SQLite's structure, or the text of an event. */
export const isDamage = (error: unknown): boolean =>
  error instanceof Damaged ||
  error instanceof SyntaxError ||
  (isObject(error) && damageCodes.includes(Number(error.errcode) & 0xff)) ||
  damageWords.test(messageOf(error))

export const damagedAt = (position: string, error: unknown): Damaged =>
  error instanceof Damaged
    ? error
    : new Damaged(`the log cannot be read: it is damaged at position ${position}: ${messageOf(error)}`, position)

export const cannotBeOpened = (path: string, error: unknown): Unavailable => {
  const advice = isDamage(error) ? '. It is damaged: bring the file back or restore a backup into an empty directory' : ''
  return new Unavailable(`the log ${path} cannot be opened: ${messageOf(error)}${advice}`)
}

/** The checksum stored with an event: over its whole row and the name of its stream. It reveals a changed byte. */
export const checksum = (
  { id, type, data, metadata }: EncodedEvent,
  { stream, revision, position, recordedAt }: { stream: string; revision: number; position: number; recordedAt: number },
): number => crc32(metadata, crc32(data, crc32(`${position} ${stream} ${revision} ${recordedAt} ${type} ${id}`)))
