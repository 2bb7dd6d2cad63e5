import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import type { Command } from 'commander'
import { dataDirectory } from '../data-directory.ts'
import { systemClock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { openEmbeddedLog } from '../stores/embedded/log.ts'
import { BackupManifest, backupNames, census, copyDurably, fingerprintOf, isVacant, manifestName } from './backup-files.ts'
import { CommandFailed } from './exit.ts'
import { directoryOf, type OfflineOptions } from './offline.ts'
import { type JsonOption, withDataDir } from './options.ts'
import { print, printJson } from './terminal.ts'

/** `restore`: a backup into an empty data directory, verified file by file and event by event. */
export const restoreCommand = (program: Command): void => {
  withDataDir(program.command('restore <backup>').description('bring a backup into an empty data directory')).action(restore)
}

async function restore(source: string, options: OfflineOptions & JsonOption): Promise<void> {
  const directory = directoryOf(options)
  const manifest = await manifestOf(source)
  await verifyFiles(source, manifest)
  if (!(await isVacant(directory)))
    throw new CommandFailed('failed', `${directory} is not empty; a backup is restored into an empty directory`)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  try {
    for (const { path } of manifest.files) await copyDurably(join(source, path), join(directory, path))
    for (const name of [backupNames.key, backupNames.credentials])
      if (existsSync(join(directory, name))) await chmod(join(directory, name), 0o600)
    await verifyLog(directory, manifest)
  } catch (error) {
    // What was not restored whole must not be taken for a data directory.
    await rm(directory, { recursive: true, force: true })
    throw error
  }
  if (options.json) return printJson(manifest)
  print(
    `${directory}: ${manifest.events} events up to ${manifest.head}, as the backup of ${manifest.createdAt} says. Views are made at the next start.`,
  )
}

async function manifestOf(source: string): Promise<BackupManifest> {
  const path = join(source, manifestName)
  if (!existsSync(path)) throw new CommandFailed('notFound', `${source} is no complete backup: it has no ${manifestName}`)
  try {
    return BackupManifest.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    throw new CommandFailed('failed', `${path} is no manifest of this program: ${messageOf(error)}`)
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
        `${path} is not what was backed up: ${found.bytes} bytes, expected ${bytes}; or other content`,
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
