import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import type { Command } from 'commander'
import { dataDirectory } from '../../data-directory.ts'
import { systemClock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { lockNames } from '../../stores/embedded/data-directory-lock.ts'
import { openEmbeddedLog } from '../../stores/embedded/log.ts'
import {
  BackupManifest,
  backupNames,
  census,
  copyDurably,
  fingerprintOf,
  flushDirectory,
  isVacant,
  manifestName,
} from '../backup-files.ts'
import { CommandFailed } from '../exit-codes.ts'
import { directoryOf, type OfflineOptions, withLockedData } from '../locked-data-directory.ts'
import { type JsonOption, withDataDir } from '../options.ts'
import { print, printJson } from '../terminal.ts'

/** `restore`: a backup into an empty data directory, verified file by file and event by event. */
export const restoreCommand = (program: Command): void => {
  withDataDir(program.command('restore <backup>').description('restore a backup into an empty data directory')).action(restore)
}

async function restore(source: string, options: OfflineOptions & JsonOption): Promise<void> {
  const directory = directoryOf(options)
  const manifest = await manifestOf(source)
  await verifyFiles(source, manifest)
  const isNew = !existsSync(directory)
  try {
    await withLockedData({ directory, purpose: 'restore' }, () => bring(source, directory, manifest))
  } catch (error) {
    if (isNew) await rm(directory, { recursive: true, force: true })
    throw error
  }
  if (options.json) return printJson(manifest)
  print(
    `${directory}: ${manifest.events} events up to ${manifest.head}, equal to the backup of ${manifest.createdAt}. Views are built at the next start.`,
  )
}

/** Into a folder of the directory, verified there, then put in place: while that folder is there no server starts, and a repetition begins anew. */
async function bring(source: string, directory: string, manifest: BackupManifest): Promise<void> {
  const { restoring } = dataDirectory(directory)
  if (existsSync(restoring)) {
    // The directory was empty before the restore that was ended here.
    for (const name of Object.values(backupNames)) await rm(join(directory, name), { recursive: true, force: true })
    await rm(restoring, { recursive: true })
  }
  if (!(await isVacant(directory, lockNames)))
    throw new CommandFailed('failed', `${directory} is not empty; a backup is restored into an empty directory`)
  await chmod(directory, 0o700)
  await mkdir(restoring, { mode: 0o700 })
  await flushDirectory(directory)
  try {
    for (const { path } of manifest.files) await copyDurably(join(source, path), join(restoring, path))
    await verifyLog(restoring, manifest)
  } catch (error) {
    await rm(restoring, { recursive: true, force: true })
    throw error
  }
  await flushDirectory(restoring)
  for (const name of await readdir(restoring)) await rename(join(restoring, name), join(directory, name))
  await flushDirectory(directory)
  await rmdir(restoring)
  await flushDirectory(directory)
}

async function manifestOf(source: string): Promise<BackupManifest> {
  const path = join(source, manifestName)
  if (!existsSync(source)) throw new CommandFailed('notFound', `${source} does not exist`)
  if (!existsSync(path)) throw new CommandFailed('notFound', `${source} is not a complete backup: it has no ${manifestName}`)
  try {
    return BackupManifest.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    throw new CommandFailed('failed', `${path} is not a manifest of this program: ${messageOf(error)}`)
  }
}

async function verifyFiles(source: string, manifest: BackupManifest): Promise<void> {
  for (const { path, bytes, sha256 } of manifest.files) {
    const file = resolve(source, path)
    if (!file.startsWith(resolve(source) + sep)) throw new CommandFailed('failed', `${path} leads out of the backup`)
    if (!existsSync(file)) throw new CommandFailed('failed', `the backup lacks ${path}`)
    const found = await fingerprintOf(file)
    if (found.bytes !== bytes || found.sha256 !== sha256)
      throw new CommandFailed(
        'failed',
        `${path} differs from the backup: ${found.bytes} bytes, expected ${bytes}; or its content differs`,
      )
  }
}

async function verifyLog(directory: string, manifest: BackupManifest): Promise<void> {
  const log = await openEmbeddedLog({ path: dataDirectory(directory).log, clock: systemClock })
  try {
    const { head, events } = await census(log)
    if (head !== manifest.head || events !== manifest.events)
      throw new CommandFailed(
        'failed',
        `the restored log has ${events} events up to ${head}, the manifest says ${manifest.events} up to ${manifest.head}`,
      )
  } finally {
    await log.close()
  }
}
