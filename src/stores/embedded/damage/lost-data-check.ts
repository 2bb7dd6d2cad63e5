import { existsSync, readdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** What a data directory holds proves that something of it is gone. The message says what to do. */
export class DataLost extends Error {
  override readonly name = 'DataLost'
}

interface DataPaths {
  readonly directory: string
  readonly log: string
  readonly views: string
  readonly restoring: string
}

/** Throws `DataLost` where a restore was ended in its middle. */
export const refuseUnfinishedRestore = ({ directory, restoring }: Pick<DataPaths, 'directory' | 'restoring'>): void => {
  if (existsSync(restoring))
    throw new DataLost(
      `a restore into ${directory} was ended before it was complete (${restoring}): run "intendant restore" again, which begins anew`,
    )
}

/**
 * Throws `DataLost` where the log is gone beside things that only a log brings forth, and where the key file is gone that sealed values of
 * the log need. With `acceptLoss` both are gone for good: what is left of the log is put aside, and a new one begins. To be called before
 * anything is opened: SQLite makes what is missing.
 */
export const checkData = (
  {
    directory,
    log,
    views,
    keyFile,
  }: DataPaths & { /** Undefined where the key is no file. */ readonly keyFile: string | undefined },
  { acceptLoss }: { readonly acceptLoss: boolean },
): void => {
  const wal = `${log}-wal`
  if (sizeOf(log) === 0) {
    const beside = [
      ...(sizeOf(wal) > 0 ? [wal] : []),
      ...(keyFile !== undefined && existsSync(keyFile) && keyFile.startsWith(join(directory, '/')) ? [keyFile] : []),
      ...viewsIn(views),
    ]
    if (beside.length === 0) return
    if (!acceptLoss)
      throw new DataLost(
        `the log ${log} is ${existsSync(log) ? 'empty' : 'missing'}, but ${beside[0]} is beside it: recorded events are gone. ` +
          'Put the file back or restore a backup. To begin a new log beside the remaining files, start once with --accept-loss',
      )
    if (sizeOf(wal) > 0) renameSync(wal, `${wal}.lost`)
    return
  }
  if (keyFile === undefined || existsSync(keyFile) || acceptLoss) return
  const keys = keysIn(log)
  if (keys > 0)
    throw new DataLost(
      `the key file ${keyFile} is missing, and the log holds sealed values of ${keys} subjects that open with nothing else. ` +
        'Bring it back (a backup holds it) or set SECRETS_KEY; to go on with a new key and lose them, start once with --accept-loss',
    )
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0

const viewsIn = (directory: string): readonly string[] =>
  existsSync(directory)
    ? readdirSync(directory)
        .filter((name) => name.endsWith('.db'))
        .map((name) => join(directory, name))
    : []

/** Subjects with a wrapped key; 0 where the log cannot be read, which its opening says better. */
const keysIn = (log: string): number => {
  try {
    const db = new DatabaseSync(log, { readOnly: true })
    try {
      const sql = `SELECT count(*) AS keys FROM streams WHERE name >= 'key-' AND name < 'key.' AND name <> 'key-log-identity'`
      return Number(db.prepare(sql).get()?.keys)
    } finally {
      db.close()
    }
  } catch {
    return 0
  }
}
