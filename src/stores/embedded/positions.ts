import { Unacceptable } from '../../lib/errors.ts'
import { origin, type Position } from '../event-log.ts'

const digits = 16

/** A place as text: sequence numbers padded with zeros, so that they sort as text. */
export const toPosition = (sequence: number): Position => (sequence === 0 ? origin : String(sequence).padStart(digits, '0'))

/** Throws `Unacceptable` for a text that this log never gave out. */
export const fromPosition = (position: Position): number => {
  const sequence = /^\d{1,16}$/.test(position) ? Number(position) : Number.NaN
  if (!Number.isSafeInteger(sequence)) throw new Unacceptable(`"${position}" is not a position of this log`)
  return sequence
}
