import { hostname } from 'node:os'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { type Config, InvalidSettings, isLoopback } from '../config.ts'
import { dataDirectory } from '../data-directory.ts'
import { type Clock, instant, systemClock } from '../lib/clock.ts'
import { type Credentials, openCredentials } from '../stores/credentials/credentials.ts'
import { checkData, refuseUnfinishedRestore } from '../stores/embedded/damage/lost-data-check.ts'
import { lockDataDir } from '../stores/embedded/data-directory-lock.ts'
import { tighten } from '../stores/embedded/file-modes.ts'
import { loadMasterKey } from '../stores/embedded/secrets.ts'
import { refuseNoDirectory, refuseNoFolders } from '../stores/files/make-directory.ts'
import { createWalCheckpoints, type WalCheckpoints } from '../stores/files/wal-checkpoints.ts'
import type { Engines } from './engines/engines.ts'
import { openEngines } from './engines/open-engines.ts'
import { unknownScope } from './faces.ts'
import { closeAll, type Part } from './lifecycle.ts'

/** What a process takes and opens before the rest of it is put together, or loaded. */
export interface Base {
  readonly clock: Clock
  readonly logger: Logger
  readonly credentials: Credentials
  /** Opens sealed values. */
  readonly masterKey: Buffer
  readonly engines: Engines
  /** Of every SQLite file that is written much. */
  readonly checkpoints: WalCheckpoints
  /** Closed last, in this order. */
  readonly parts: readonly Part[]
}

/**
 * Takes the data directory and opens log and bus. Throws `InvalidSettings` where the settings contradict each other, `DataDirHeld`
 * where another process holds the directory, `DataLost` where something of it is gone, `Unavailable` where an engine is out of reach.
 */
export const openBase = async ({
  config,
  overrides: { clock = systemClock, logger = pino({ level: config.logLevel }, pino.destination(2)), acceptLoss = false },
  command,
}: {
  readonly config: Config
  readonly overrides: { readonly clock?: Clock; readonly logger?: Logger; readonly acceptLoss?: boolean }
  /** Shown to a process that finds the data directory in use. */
  readonly command: string
}): Promise<Base> => {
  for (const warning of config.warnings) logger.warn(warning)
  refuseNoDirectory(config.dataDir)
  const credentials = openCredentials(config.credentialsFile)
  const modules = config.faces.map(({ module }) => module)
  for (const { name, scopes } of credentials.list())
    for (const scope of scopes) {
      const unknown = unknownScope(modules, scope)
      if (unknown !== undefined) logger.warn(`the credential ${name}: ${unknown}`)
    }
  if (!isLoopback(config.host) && !credentials.configured()) throw new InvalidSettings(openToAll(config))

  const data = dataDirectory(config.dataDir)
  const { directory } = data
  refuseNoFolders([data.blobs, data.views, join(data.views, 'past'), join(data.views, 'trail')])
  const holder = { pid: process.pid, host: hostname(), command, listens: `${config.host}:${config.port ?? config.tls?.port}` }
  const lock = lockDataDir(directory, { ...holder, since: instant(clock.now()) })
  const checkpoints = createWalCheckpoints()
  const opened = async () => {
    const loose = tighten(directory, { sealed: data.blobs })
    if (loose.length > 0) logger.warn({ paths: loose }, 'other users can read these files, and their mode cannot be changed')
    refuseUnfinishedRestore(data)
    const keyFile = config.secretsKey === undefined ? (config.secretsKeyFile ?? data.key) : undefined
    if (config.eventStoreDb === undefined) checkData({ ...data, keyFile }, { acceptLoss })
    const engines = await openEngines({ config, clock, logger, checkpoints })
    try {
      // After the log: a key that stands there without one tells of a log that is gone.
      const masterKey = loadMasterKey({ directory, file: config.secretsKeyFile, fromSetting: config.secretsKey })
      return { masterKey, engines }
    } catch (error) {
      await closeAll({ parts: engines.parts, clock, logger })
      throw error
    }
  }
  const { masterKey, engines } = await opened().catch(async (error: unknown) => {
    await checkpoints.stop()
    lock.release()
    throw error
  })
  if (engines.isShared && (config.secretsKey ?? config.secretsKeyFile) === undefined) logger.warn(ownKey)

  const parts = [
    ...engines.parts,
    { name: 'checkpoints', close: checkpoints.stop },
    { name: 'data directory', close: lock.release },
  ]
  return { clock, logger, credentials, masterKey, engines, checkpoints, parts }
}

/** Puts something together on the base. Where that throws, the base is closed again: lock, threads and connections stay with nobody. */
export const buildUpon = async <Built>(base: Base, build: () => Built | Promise<Built>): Promise<Built> => {
  try {
    return await build()
  } catch (error) {
    await closeAll(base)
    throw error
  }
}

const openToAll = ({ host, credentialsFile }: Config): string =>
  `HOST ${host} is reachable from other machines, and no credentials are configured (${credentialsFile}). ` +
  'Make some with "intendant credentials add NAME --scope \'*\'", or listen on 127.0.0.1.'

const ownKey =
  'neither SECRETS_KEY nor SECRETS_KEY_FILE is set: this node seals secrets with a key of its own, and no other node can open them'
