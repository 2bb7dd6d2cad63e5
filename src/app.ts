import { buildUpon, openBase } from './app/base.ts'
import type { Overrides } from './app/node.ts'
import type { Config } from './config.ts'
import type { HttpPorts } from './http/ports.ts'

export interface ServerOverrides extends Overrides {
  /** Whether this process carries out operations too. Default true. */
  readonly takesWork?: boolean
}

export interface App {
  /** Listens at once and answers 503 `starting`; resolves when the views are live and work is taken. */
  start(): Promise<void>
  /** Takes no new work, hands running work back or lets it end within the grace, closes everything. Resolves when all is closed. */
  stop(): Promise<void>
  /** Answers a request without a socket. */
  readonly fetch: (request: Request) => Response | Promise<Response>
  /** Where it listens, once it does. */
  url(): string
  readonly ports: HttpPorts
}

/** A server that is put together and not started yet. Takes the data directory and opens the engines; throws as `openBase` does. */
export const buildApp = async (config: Config, overrides: ServerOverrides = {}): Promise<App> => {
  // The log's thread opens its file while this one loads the program.
  const [{ createApp }, base] = await Promise.all([import('./app/server.ts'), openBase({ config, overrides, command: 'serve' })])
  return buildUpon(base, () => createApp(config, base, overrides))
}
