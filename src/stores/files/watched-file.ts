import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { isObject } from '../../lib/json.ts'

/** Where the system does not tell of a change, it is noticed after this time at most. */
const lookAgainMs = 1_000

/** A file that is read again when it changes. */
export interface WatchedFile {
  /** Looks now. */
  look(): void
  /** Looks where the system told of a change, or the last look was a second ago. */
  lookInTime(): void
}

/** `changed` is given what reads the file, or undefined where there is none; it is called during a look. */
export const createWatchedFile = ({
  file,
  clock,
  changed,
}: {
  readonly file: string
  readonly clock: Clock
  readonly changed: (text: (() => string) | undefined) => void
}): WatchedFile => {
  let seen: string | undefined
  let lookedAt = Number.NEGATIVE_INFINITY
  let watcher: FSWatcher | undefined

  /** A changed file has another inode, size or time: each write makes a new file. */
  const look = (): void => {
    lookedAt = clock.monotonic()
    const mark = markOf(file)
    if (mark === seen) return
    changed(mark === 'missing' ? undefined : () => readFileSync(file, 'utf8'))
    seen = mark
    watchAnew()
  }

  /** Each write makes a new file, so each is watched once. The directory is not: it may hold a log that is written all the time. */
  const watchAnew = (): void => {
    watcher?.close()
    watcher = undefined
    try {
      watcher = watch(file, { persistent: false }, () => {
        lookedAt = Number.NEGATIVE_INFINITY
      }).on('error', () => undefined)
    } catch {
      // No file, or a system that cannot: then the look once a second has to do.
    }
  }

  return {
    look,
    lookInTime: () => {
      if (clock.monotonic() - lookedAt >= lookAgainMs) look()
    },
  }
}

/** What tells one state of the file from another. */
const markOf = (file: string): string => {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true })
    return `${ino}-${size}-${mtimeNs}-${ctimeNs}`
  } catch (error) {
    return isObject(error) && error.code === 'ENOENT' ? 'missing' : `unreadable: ${messageOf(error)}`
  }
}
