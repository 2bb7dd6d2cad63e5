import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { Damaged } from '../../../lib/errors.ts'
import { lastPosition } from '../schema.ts'
import { createRowCheck, type Damage } from './row-check.ts'

const newestPositions = 256

/** What takes a moment: whether the file is as long as it says, and whether its newest events are whole. Throws `Damaged` for a file that was cut. */
export const checkQuickly = (db: DatabaseSync, path: string, onDamage: (damage: Damage) => void): void => {
  const pragma = (name: string): number => Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
  const wal = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const { size } = statSync(path)
  const expected = pragma('page_count') * pragma('page_size')
  // What the write-ahead log holds may not be in the file yet.
  if (wal === 0 && size < expected) throw new Damaged(`it has ${size} bytes of ${expected}: it is malformed`, '0')
  const last = lastPosition(db)
  const rows = createRowCheck(db)
  const begin = Math.max(0, last - newestPositions)
  const { damages, reached } = rows.check(begin, last, newestPositions)
  for (const damage of damages) onDamage(damage)
  if (reached > begin) return
  for (let after = begin; after < last; ) {
    const one = rows.check(after, last, 1)
    for (const damage of one.damages) onDamage(damage)
    after = one.reached
  }
}
