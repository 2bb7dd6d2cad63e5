import { buildUpon, openBase } from './app/resources.ts'
import type { App, ServerOverrides } from './app/server.ts'
import type { Config } from './config.ts'

/** A server that is put together and not started yet. Takes the data directory and opens the engines; throws as `openBase` does. */
export const buildApp = async (config: Config, overrides: ServerOverrides = {}): Promise<App> => {
  // The log's thread opens its file while this one loads the program.
  const [{ createApp }, base] = await Promise.all([import('./app/server.ts'), openBase({ config, overrides, command: 'serve' })])
  return buildUpon(base, () => createApp(config, base, overrides))
}
