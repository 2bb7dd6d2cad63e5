import type { Position as ServerPosition } from '@eventstore/db-client'
import { Unacceptable } from '../../lib/errors.ts'
import { origin, type Position } from '../event-log.ts'

/** Digits of the largest place in a log, 2^63-1. */
const digits = 19
const largest = 2n ** 63n - 1n
const form = /^(\d{19})-(\d{19})$/

/** A place as text: commit and prepare position padded with zeros, so that all are of one length and sort as text. */
export const toPosition = ({ commit, prepare }: ServerPosition): Position => {
  const first = commit.toString().padStart(digits, '0')
  return `${first}-${commit === prepare ? first : prepare.toString().padStart(digits, '0')}`
}

/** What the server calls a position. Throws `Unacceptable` for a text that no log of this kind gives out. */
export const fromPosition = (position: Position): ServerPosition | 'start' => {
  if (position === origin) return 'start'
  const [, commit, prepare] = form.exec(position) ?? []
  if (commit === undefined || prepare === undefined || BigInt(commit) > largest || prepare > commit)
    throw new Unacceptable(`"${position}" is not a position of this log`)
  return { commit: BigInt(commit), prepare: BigInt(prepare) }
}

/** The earlier of two positions. */
export const earlier = (one: Position, other: Position): Position => (one < other ? one : other)
