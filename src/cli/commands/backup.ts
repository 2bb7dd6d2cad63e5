import { existsSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { backup as copyDatabase, DatabaseSync } from 'node:sqlite'
import type { Command } from 'commander'
import { loadClientConfig } from '../../client-config.ts'
import { dataDirectory } from '../../data-directory.ts'
import { instant, systemClock } from '../../lib/clock.ts'
import { version } from '../../lib/version.ts'
import { checkWhole } from '../../stores/embedded/damage/whole-log-check.ts'
import { openEmbeddedLog } from '../../stores/embedded/log.ts'
import { makeDirectory } from '../../stores/files/make-directory.ts'
import {
  type BackupManifest,
  backupNames,
  census,
  copyDurably,
  filesBelow,
  fingerprintOf,
  flush,
  isVacant,
  manifestName,
} from '../backup-files.ts'
import { CommandFailed } from '../exit-codes.ts'
import { directoryOf, type OfflineOptions, refuseLoss, withLockedData } from '../locked-data-directory.ts'
import { type JsonOption, withDataDir } from '../options.ts'
import { print, printJson } from '../terminal.ts'

/** `backup`: a consistent copy of everything that cannot be made again: log, blobs, key file, credentials. */
export const backupCommand = (program: Command): void => {
  withDataDir(
    program.command('backup <directory>').description('copy log, blobs, key file and credentials of a stopped server'),
  ).action(backup)
}

async function backup(target: string, options: OfflineOptions & JsonOption): Promise<void> {
  const directory = directoryOf(options)
  const data = dataDirectory(directory)
  if (!existsSync(data.log)) throw new CommandFailed('notFound', `there is no log in ${directory}`)
  if (!(await isVacant(target))) throw new CommandFailed('failed', `${target} is not empty`)
  const manifest = await withLockedData({ directory, purpose: 'backup' }, async () => {
    refuseLoss(directory)
    return copy(directory, target)
  })
  if (options.json) return printJson(manifest)
  print(`${target}: ${manifest.events} events up to ${manifest.head}, ${manifest.files.length} files`)
  if (!existsSync(data.key))
    print(
      'The backup does not contain the master key, because it comes from SECRETS_KEY. Keep the key: without it, sealed secrets cannot be read.',
    )
}

async function copy(directory: string, target: string): Promise<BackupManifest> {
  const data = dataDirectory(directory)
  makeDirectory(target)
  await chmod(target, 0o700)
  const database = new DatabaseSync(data.log)
  try {
    await copyDatabase(database, join(target, backupNames.log))
  } finally {
    database.close()
  }
  await flush(join(target, backupNames.log))
  if (existsSync(data.blobs))
    for (const blob of await filesBelow(data.blobs))
      await copyDurably(join(data.blobs, blob), join(target, backupNames.blobs, blob))
  const credentials = loadClientConfig().credentialsFile ?? data.credentials
  if (existsSync(data.key)) await copyDurably(data.key, join(target, backupNames.key))
  if (existsSync(credentials)) await copyDurably(credentials, join(target, backupNames.credentials))
  const counted = await censusOf(join(target, backupNames.log))
  const files = []
  for (const path of await filesBelow(target)) files.push({ path, ...(await fingerprintOf(join(target, path))) })
  const manifest: BackupManifest = { format: 1, program: version, createdAt: instant(systemClock.now()), ...counted, files }
  // Last: a backup without its manifest is none.
  await writeFile(join(target, manifestName), `${JSON.stringify(manifest, null, 2)}\n`)
  await flush(join(target, manifestName))
  return manifest
}

/** Counted in the copy, so that the copy is known to open. */
async function censusOf(path: string): Promise<{ head: string; events: number }> {
  checkWhole(path, ({ position, message }) => {
    throw new CommandFailed('failed', `the log cannot be read: it is damaged at position ${position}: ${message}`)
  })
  const log = await openEmbeddedLog({ path, clock: systemClock })
  try {
    return await census(log)
  } finally {
    await log.close()
  }
}
