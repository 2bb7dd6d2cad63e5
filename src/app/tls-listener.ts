import { type Config, InvalidSettings } from '../config.ts'
import type { HttpServer } from '../http/server/server.ts'
import { openTlsFiles, type TlsContext } from '../http/server/tls/tls-files.ts'
import { urlOf } from '../http/server/url-of.ts'
import { messageOf } from '../lib/errors.ts'
import type { SettingsFiles } from '../stores/files/settings-files.ts'
import type { Base } from './resources.ts'

/** The second listener of a server, with TLS, whose files are read again when they change. */
export interface TlsListener {
  listen(server: Pick<HttpServer, 'listenTls'>): Promise<void>
  /** Where it listens, once it does. */
  url(): string | undefined
  /** Rejects while the files as they stand now cannot be used. */
  check(): Promise<void>
  /** Looks at the files no longer. */
  stop(): void
}

/** Undefined where the settings name none. Throws `InvalidSettings` where its files cannot be used. */
export const createTlsListener = (
  { tls, host }: Config,
  { clock, logger }: Pick<Base, 'clock' | 'logger'>,
): TlsListener | undefined => {
  if (tls === undefined) return undefined
  const files = opened(() => openTlsFiles(tls, { clock, logger }))
  let url: string | undefined
  let stop = (): void => undefined
  return {
    listen: async (server) => {
      const { renewed, ...address } = await server.listenTls({ host, port: tls.port }, files.current())
      url = urlOf(address, 'https')
      stop = files.follow(renewed)
    },
    url: () => url,
    check: async () => {
      const fault = files.fault()
      if (fault !== undefined) throw new Error(`${fault}; the last good files stay in use`)
    },
    stop: () => stop(),
  }
}

const opened = (open: () => SettingsFiles<TlsContext>): SettingsFiles<TlsContext> => {
  try {
    return open()
  } catch (error) {
    throw new InvalidSettings(messageOf(error))
  }
}
