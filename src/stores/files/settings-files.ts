import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, Unacceptable } from '../../lib/errors.ts'
import { createWatchedFile } from './watched-file.ts'

/** A file and the setting that names it, which is what a person is told about. */
export interface SettingsFile {
  /** `TLS_CERT_FILE` */
  readonly setting: string
  readonly file: string
}

/** What was read from files of settings, as they stand now or as they stood when they were last good. */
export interface SettingsFiles<Value> {
  /** The last good value; the files are looked at as `WatchedFile.lookInTime` says. */
  current(): Value
  /** Why the files as they stand now cannot be used; undefined where they are the current value. */
  fault(): string | undefined
  /** Looks once a second from now on, whether anybody asks or not, and hands over each new good value. The answer ends it. */
  follow(changed: (value: Value) => void): () => void
}

const followEveryMs = 1_000

/**
 * Reads files and reads them again whenever one of them has changed. `read` is given their texts in order and throws where they cannot be
 * used: at the first time that is thrown as `Unacceptable`, later it is logged, and the last good value stays.
 */
export const openSettingsFiles = <Value>({
  files,
  read,
  clock,
  logger,
}: {
  readonly files: readonly SettingsFile[]
  readonly read: (texts: readonly string[]) => Value
  readonly clock: Clock
  readonly logger: Logger
}): SettingsFiles<Value> => {
  const names = files.map(({ file }) => file)
  let hasChanged = false
  let value: Value
  let fault: string | undefined
  const texts: (() => string)[] = []
  const watched = files.map(({ setting, file }, index) =>
    createWatchedFile({
      file,
      clock,
      changed: (text) => {
        hasChanged = true
        texts[index] = () => textOf(setting, file, text)
      },
    }),
  )

  const look = (): void => {
    for (const one of watched) one.lookInTime()
    if (!hasChanged) return
    hasChanged = false
    const before = fault
    try {
      value = read(texts.map((text) => text()))
      fault = undefined
      logger.info({ files: names }, 'changed settings are taken up')
    } catch (error) {
      fault = messageOf(error)
      if (fault !== before) logger.error({ files: names, fault }, 'changed settings cannot be used; the last good ones stay')
    }
  }

  for (const one of watched) one.look()
  hasChanged = false
  try {
    value = read(texts.map((text) => text()))
  } catch (error) {
    throw new Unacceptable(messageOf(error))
  }

  return {
    current: () => {
      look()
      return value
    },
    fault: () => {
      look()
      return fault
    },
    follow: (changed) => {
      let known = value
      let cancel: () => void
      const again = (): void => {
        look()
        if (value !== known) {
          known = value
          changed(value)
        }
        cancel = clock.after(followEveryMs, again)
      }
      cancel = clock.after(followEveryMs, again)
      return () => cancel()
    },
  }
}

const textOf = (setting: string, file: string, text: (() => string) | undefined): string => {
  if (text === undefined) throw new Unacceptable(`${setting} names ${file}, which does not exist`)
  try {
    return text()
  } catch (error) {
    throw new Unacceptable(`${setting} names ${file}, which cannot be read: ${messageOf(error)}`)
  }
}
