import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import type { Position } from '../../stores/event-log.ts'
import type { Projection } from '../projection.ts'

/** A copy of a view on disk, and the position at which it stands. */
export interface PastFile {
  readonly projection: Projection
  readonly position: Position
}

/** Copies of views as files `<name>-v<version>-at-<position>.db` in a folder of their own, which is listed once: there can be ten thousand. */
export interface PastFiles {
  has(file: PastFile): boolean
  path(file: PastFile): string
  /** A name for a new copy whose position is not known yet. What one that failed has left there is removed. */
  begin(projection: Projection): string
  /** Gives a new copy its place. */
  keep(file: PastFile): void
  /** Removes a new copy that has no place yet. */
  discard(projection: Projection): void
  /** Says that a copy was of use. */
  touch(file: PastFile, at: number): void
  /** The position of the last copy that is not after this one. */
  nearest(projection: Projection, position: Position): Position | undefined
  /** The least recently used first. */
  oldest(): readonly PastFile[]
  bytes(): number
  remove(file: PastFile): void
}

/** Makes the folder, and removes copies of other versions and what a crash has left. */
export const openPastFiles = (directory: string, projections: readonly Projection[]): PastFiles => {
  /** By path, the least recently used first. */
  const kept = new Map<string, PastFile & { readonly bytes: number }>()
  let total = 0

  const beginningOf = ({ name, version }: Projection): string => `${name}-v${version}-`
  const path = ({ projection, position }: PastFile): string => join(directory, `${beginningOf(projection)}at-${position}.db`)
  const incoming = (projection: Projection): string => join(directory, `${beginningOf(projection)}incoming.db`)

  const parsed = (entry: string): PastFile | undefined => {
    const match = /^(.+-v\d+-)at-(.+)\.db$/.exec(entry)
    const projection = projections.find((one) => beginningOf(one) === match?.[1])
    return match?.[2] === undefined || projection === undefined ? undefined : { projection, position: match[2] }
  }
  const removeFile = (file: string): void => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true })
  }
  const exists = (file: string): boolean => statSync(file, { throwIfNoEntry: false }) !== undefined

  const enter = (file: PastFile, bytes: number): void => {
    leave(path(file))
    kept.set(path(file), { ...file, bytes })
    total += bytes
  }
  const leave = (at: string): void => {
    total -= kept.get(at)?.bytes ?? 0
    kept.delete(at)
  }

  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const found: { readonly file: PastFile; readonly bytes: number; readonly usedAt: number }[] = []
  for (const entry of readdirSync(directory)) {
    if (!entry.endsWith('.db')) continue
    const file = parsed(entry)
    if (file === undefined) removeFile(join(directory, entry))
    else {
      const { size, mtimeMs } = statSync(path(file))
      found.push({ file, bytes: size, usedAt: mtimeMs })
    }
  }
  for (const { file, bytes } of found.sort((a, b) => a.usedAt - b.usedAt)) enter(file, bytes)

  return {
    has: (file) => exists(path(file)),
    path,
    begin: (projection) => {
      removeFile(incoming(projection))
      return incoming(projection)
    },
    keep: (file) => {
      renameSync(incoming(file.projection), path(file))
      enter(file, statSync(path(file)).size)
    },
    discard: (projection) => removeFile(incoming(projection)),
    touch: (file, at) => {
      utimesSync(path(file), at / 1000, at / 1000)
      enter(file, kept.get(path(file))?.bytes ?? statSync(path(file)).size)
    },
    nearest: (projection, position) => {
      let nearest: Position | undefined
      for (const file of kept.values())
        if (file.projection === projection && file.position <= position && (nearest ?? '') < file.position)
          nearest = file.position
      return nearest
    },
    oldest: () => [...kept.values()],
    bytes: () => total,
    remove: (file) => {
      removeFile(path(file))
      leave(path(file))
    },
  }
}
