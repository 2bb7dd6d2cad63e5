import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { messageOf, Unavailable } from '../../lib/errors.ts'
import { isObject, type JsonObject } from '../../lib/json.ts'
import { writeDurably } from '../files/durable-file.ts'
import { makeDirectory } from '../files/make-directory.ts'

/** The data directory belongs to another process. `holder` is what that process said of itself, if it can be read. */
export class DataDirHeld extends Error {
  override readonly name = 'DataDirHeld'
  readonly directory: string
  readonly holder: JsonObject | undefined
  constructor(directory: string, holder: JsonObject | undefined) {
    super(
      `the data directory ${directory} is in use${holder === undefined ? '' : ` by ${described(holder)}`}: stop that process first, or name another directory`,
    )
    this.directory = directory
    this.holder = holder
  }
}

export interface DataDirLock {
  release(): void
}

const lockFile = 'lock.db'
const holderFile = 'holder.json'
/** What a lock leaves in a data directory that holds nothing else. */
export const lockNames: readonly string[] = [lockFile, holderFile]
const sqliteBusy = 5

/**
 * Takes a data directory (made where it is missing) for this process. The lock is an open transaction, so that the kernel
 * gives it back however the process ends, and nobody has to judge whether a lock file is stale. `holder` is written
 * beside it for the people who are refused. Throws `DataDirHeld`, and `Unavailable` for a directory that cannot be used.
 */
export const lockDataDir = (directory: string, holder: JsonObject): DataDirLock => {
  const file = join(directory, holderFile)
  let db: DatabaseSync | undefined
  try {
    makeDirectory(directory)
    db = new DatabaseSync(join(directory, lockFile), { timeout: 0 })
    // Nothing is ever written: without a journal on disk there is nothing to clean up after a crash.
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    writeDurably(file, `${JSON.stringify(holder)}\n`, { mode: 0o600 })
  } catch (error) {
    db?.close()
    if (isBusy(error)) throw new DataDirHeld(directory, readHolder(file))
    throw new Unavailable(`the data directory ${directory} cannot be used: ${messageOf(error)}`)
  }
  const held = db
  return {
    release: () => {
      if (!held.isOpen) return
      rmSync(file, { force: true })
      held.close()
    },
  }
}

const isBusy = (error: unknown): boolean => isObject(error) && (Number(error.errcode) & 0xff) === sqliteBusy

const readHolder = (file: string): JsonObject | undefined => {
  try {
    const holder: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return isObject(holder) ? (holder as JsonObject) : undefined
  } catch {
    return undefined
  }
}

const described = (holder: JsonObject): string =>
  Object.entries(holder)
    .map(([member, value]) => `${member} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
