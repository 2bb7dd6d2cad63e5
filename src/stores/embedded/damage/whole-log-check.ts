import { DatabaseSync } from 'node:sqlite'
import { messageOf } from '../../../lib/errors.ts'
import { lastPosition } from '../schema.ts'
import { isDamage } from './checksum.ts'
import { createRowCheck, type Damage } from './row-check.ts'

const rowsAtATime = 128
const indexRowsAtATime = 1024
const mostDamages = 1000

/** Runs one step of the check, and may rest after it. */
export type Step = <Result>(work: () => Result) => Result
const atOnce: Step = (work) => work()

/** Answers how many events could be read. */
const checkRows = (db: DatabaseSync, end: number, tell: (damage: Damage) => void, step: Step): number => {
  const rows = createRowCheck(db)
  let told = 0
  let count = 0
  for (let after = 0; after < end && told < mostDamages; ) {
    const {
      damages,
      reached,
      rows: read,
    } = step(() => {
      const many = rows.check(after, end, rowsAtATime)
      return many.reached > after ? many : rows.check(after, end, 1)
    })
    for (const damage of damages) tell(damage)
    told += damages.length
    count += read
    after = reached
  }
  return count
}

type IndexEntry = [stream: number, revision: number, position: number]

const floorOf = (db: DatabaseSync): number => Number(db.prepare('SELECT position FROM floor').get()?.position)

/** Every entry of the index is read once, and there have to be as many as events. */
const checkIndex = (db: DatabaseSync, end: number, events: number, step: Step): number => {
  const entries = db.prepare(
    `SELECT stream, revision, position FROM events INDEXED BY events_by_stream
     WHERE (stream, revision) > (?, ?) ORDER BY stream, revision LIMIT ?`,
    { returnArrays: true },
  )
  let count = 0
  let last: IndexEntry | undefined = [0, -1, 0]
  while (last !== undefined) {
    const [stream, revision]: IndexEntry = last
    const found: IndexEntry[] = step(() => entries.all(stream, revision, indexRowsAtATime) as unknown as IndexEntry[])
    count += found.filter(([, , position]) => position <= end).length
    last = found.at(-1)
  }
  return count - events
}

/** The text of a difference between the index and the events; undefined where there is none, or damage of events was told. */
const differenceOf = (db: DatabaseSync, tell: (damage: Damage) => void, step: Step): string | undefined => {
  const end = lastPosition(db)
  const before = floorOf(db)
  let isDamaged = false
  const events = checkRows(
    db,
    end,
    (damage) => {
      isDamaged = true
      tell(damage)
    },
    step,
  )
  if (isDamaged) return undefined
  const excess = checkIndex(db, end, events, step)
  // What was forgotten meanwhile is missing in one of the two.
  if (excess === 0 || floorOf(db) !== before) return undefined
  return `the index of streams has ${events + excess} entries for ${events} events`
}

/** Reads every event and every entry of the index, and tells what is not as it was written. Throws where the file cannot be opened. */
export const checkWhole = (path: string, tell: (damage: Damage) => void, step: Step = atOnce): void => {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    // The floor does not rise where two keys are forgotten without an event in between: only a difference that lasts is damage.
    if (differenceOf(db, tell, step) === undefined) return
    const message = differenceOf(db, tell, step)
    if (message !== undefined) tell({ position: 0, message })
  } catch (error) {
    if (!isDamage(error)) throw error
    tell({ position: 0, message: messageOf(error) })
  } finally {
    db.close()
  }
}
