import type { Damaged } from '../../../lib/errors.ts'
import type { Position } from '../../event-log.ts'
import { fromPosition, toPosition } from '../positions.ts'
import type { Damage } from './row-check.ts'

const mostKept = 1000

/** The known damage of a log; each position is reported once. */
export interface Damages {
  found(damage: Damage): void
  onDamage(damaged: Damaged): void
  isDamaged(sequence: number): boolean
  after(position: Position): { readonly position: Position; readonly message: string } | undefined
}

export const createDamages = (
  tell: (damage: { readonly position: Position; readonly message: string }) => void = () => {},
): Damages => {
  const known = new Map<number, string>()
  const found = ({ position, message }: Damage): void => {
    if (known.has(position) || known.size >= mostKept) return
    known.set(position, message)
    tell({ position: toPosition(position), message })
  }
  return {
    found,
    onDamage: ({ position, message }) => found({ position: fromPosition(position), message }),
    isDamaged: (sequence) => known.size > 0 && known.has(sequence),
    after: (position) => {
      const after = fromPosition(position)
      // The index alone, at position 0, keeps nobody from the end.
      const next = [...known.keys()].filter((each) => each > after || (after === 0 && each === 0)).sort((a, b) => a - b)[0]
      return next === undefined ? undefined : { position: toPosition(next), message: known.get(next) ?? '' }
    },
  }
}
