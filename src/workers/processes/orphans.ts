import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { endGroup, endStrays } from './process-group.ts'
import { bootId, isInEnvironment, membersOf, processOf } from './process-table.ts'
import { foldersIn, type ProgramFolder, type ProgramRecord, readRecord, removeFolder } from './program-folders.ts'

/**
 * Ends what a server that was killed left running: TERM, KILL after the grace, to the group of each recorded program. Removes their folders.
 * A process that merely got the same pid since is left alone.
 */
export const endOrphans = async (
  directory: string,
  { graceMs, clock, logger }: { readonly graceMs: number; readonly clock: Clock; readonly logger: Logger },
): Promise<void> => {
  const endOne = async (folder: ProgramFolder): Promise<void> => {
    const record = await readRecord(folder)
    if (record?.lasting === true) return
    if (record !== undefined && isStillOurs(record, folder)) {
      const { pid } = record
      logger.warn({ pid, folder: folder.path }, 'a program that a killed server left behind is ended')
      if (!(await endGroup(pid, graceMs, clock))) logger.error({ pid }, 'a program that was left behind could not be ended')
    }
    if (!(await endStrays(folder.path, graceMs, clock)))
      logger.error({ folder: folder.path }, 'what left its program could not be ended')
    await removeFolder(folder)
  }
  await Promise.all(
    (await foldersIn(directory)).map((folder) =>
      endOne(folder).catch((error: unknown) => logger.error({ err: error, folder: folder.path }, 'a folder was not removed')),
    ),
  )
}

/**
 * The leader of the group proves it by its start time. Where the leader has ended, the number of the group may have been given away once
 * the group was empty: then a member proves it by the folder in its environment.
 */
export const isStillOurs = ({ pid, startTime, boot }: ProgramRecord, { path }: ProgramFolder): boolean => {
  if (boot !== bootId()) return false
  const leader = processOf(pid)
  if (leader !== undefined) return leader.startTime === startTime
  return membersOf(pid).some((member) => isInEnvironment(member.pid, path))
}
