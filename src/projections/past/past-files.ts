import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import type { Position } from '../../stores/event-log.ts'
import type { Projection } from '../projection.ts'

/** A copy of a view on disk, and the position at which it stands. */
export interface PastFile {
  readonly projection: Projection
  readonly position: Position
}

/** Copies of views as files `<name>-v<version>-at-<position>.db` in a folder of their own. */
export interface PastFiles {
  has(file: PastFile): boolean
  path(file: PastFile): string
  /** A name for a copy whose position is not known yet. What an earlier copy that failed has left there is removed. */
  incoming(projection: Projection): string
  /** Gives an incoming copy its place. */
  keep(file: PastFile): void
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
  const beginningOf = ({ name, version }: Projection): string => `${name}-v${version}-`
  const path = ({ projection, position }: PastFile): string => join(directory, `${beginningOf(projection)}at-${position}.db`)
  const incomingPath = (projection: Projection): string => join(directory, `${beginningOf(projection)}incoming.db`)

  const parsed = (entry: string): PastFile | undefined => {
    const match = /^(.+-v\d+-)at-(.+)\.db$/.exec(entry)
    const projection = projections.find((one) => beginningOf(one) === match?.[1])
    return match?.[2] === undefined || projection === undefined ? undefined : { projection, position: match[2] }
  }
  const all = (): readonly PastFile[] => readdirSync(directory).flatMap((entry) => parsed(entry) ?? [])
  const removeFile = (file: string): void => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true })
  }
  const sizeOf = (file: PastFile): number => statSync(path(file), { throwIfNoEntry: false })?.size ?? 0
  const usedAt = (file: PastFile): number => statSync(path(file), { throwIfNoEntry: false })?.mtimeMs ?? 0

  mkdirSync(directory, { recursive: true, mode: 0o700 })
  for (const entry of readdirSync(directory))
    if (entry.endsWith('.db') && parsed(entry) === undefined) removeFile(join(directory, entry))

  return {
    has: (file) => statSync(path(file), { throwIfNoEntry: false }) !== undefined,
    path,
    incoming: (projection) => {
      const file = incomingPath(projection)
      removeFile(file)
      return file
    },
    keep: (file) => renameSync(incomingPath(file.projection), path(file)),
    touch: (file, at) => utimesSync(path(file), at / 1000, at / 1000),
    nearest: (projection, position) =>
      all()
        .filter((file) => file.projection === projection && file.position <= position)
        .map((file) => file.position)
        .sort()
        .at(-1),
    oldest: () =>
      all()
        .map((file) => ({ file, at: usedAt(file) }))
        .sort((a, b) => a.at - b.at)
        .map(({ file }) => file),
    bytes: () => all().reduce((sum, file) => sum + sizeOf(file), 0),
    remove: (file) => removeFile(path(file)),
  }
}
