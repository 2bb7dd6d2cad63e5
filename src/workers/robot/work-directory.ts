import { chmod, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { RobotFaceSettings } from '../../commands/robot/settings.ts'

const ownerOnly = 0o700

/** Where the programs of a service run: its own, kept for as long as it exists. Source: robot contract, section 6.2. */
export const workDirectoryOf = ({ directory }: Pick<RobotFaceSettings, 'directory'>, guid: string): string =>
  join(directory, 'services', guid)

/** Makes it where it is missing; its path. */
export const makeWorkDirectory = async (settings: Pick<RobotFaceSettings, 'directory'>, guid: string): Promise<string> => {
  const path = workDirectoryOf(settings, guid)
  await mkdir(path, { recursive: true, mode: ownerOnly })
  return path
}

/** Removes it with everything in it, folders that its programs have locked too. */
export const removeWorkDirectory = async (settings: Pick<RobotFaceSettings, 'directory'>, guid: string): Promise<void> => {
  const path = workDirectoryOf(settings, guid)
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true })
  await remove().catch(async () => {
    await unlock(path)
    await remove()
  })
}

const unlock = async (folder: string): Promise<void> => {
  await chmod(folder, ownerOnly)
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await unlock(join(folder, entry.name))
}
