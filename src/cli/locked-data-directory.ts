import { existsSync } from 'node:fs'
import { loadClientConfig } from '../client-config.ts'
import { dataDirectory } from '../data-directory.ts'
import { instant, systemClock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { checkData, refuseUnfinishedRestore } from '../stores/embedded/damage/lost-data-check.ts'
import { lockDataDir } from '../stores/embedded/data-directory-lock.ts'
import { openEmbeddedLog } from '../stores/embedded/log.ts'
import type { EventLog } from '../stores/event-log.ts'
import { refuseNoDirectory } from '../stores/files/make-directory.ts'
import { CommandFailed } from './exit-codes.ts'

export interface OfflineOptions {
  readonly dataDir?: string
}

/** The data directory that a command means. */
export const directoryOf = (options: OfflineOptions): string => {
  const directory = options.dataDir ?? loadClientConfig().dataDir
  refuseNoDirectory(directory)
  return directory
}

/** Runs `use` on a data directory that no server holds; refuses with a message that says who does. */
export const withLockedData = async <Result>(
  { directory, purpose }: { readonly directory: string; readonly purpose: string },
  use: () => Promise<Result>,
): Promise<Result> => {
  let lock: ReturnType<typeof lockDataDir>
  try {
    lock = lockDataDir(directory, { command: purpose, pid: process.pid, since: instant(systemClock.now()) })
  } catch (error) {
    throw new CommandFailed('failed', messageOf(error))
  }
  try {
    return await use()
  } finally {
    lock.release()
  }
}

/** A reader must not create a missing log. */
export const refuseLoss = (directory: string): void => {
  const data = dataDirectory(directory)
  refuseUnfinishedRestore(data)
  checkData({ ...data, keyFile: existsSync(data.key) ? data.key : undefined }, { acceptLoss: false })
}

/** The same with the log open; a directory without a log is not found. */
export const withOfflineLog = async <Result>(
  { directory, purpose }: { readonly directory: string; readonly purpose: string },
  use: (log: EventLog) => Promise<Result>,
): Promise<Result> => {
  const path = dataDirectory(directory).log
  if (!existsSync(path)) throw new CommandFailed('notFound', `there is no log in ${directory}`)
  return withLockedData({ directory, purpose }, async () => {
    refuseLoss(directory)
    const log = await openEmbeddedLog({ path, clock: systemClock })
    try {
      return await use(log)
    } finally {
      await log.close()
    }
  })
}
