import { openEmbeddedEngines } from './embedded-engines.ts'
import type { Engines, EnginesOptions } from './engines.ts'

/** Opens the engines that the settings name. Throws `Unavailable` with the engine that cannot be reached, never with a password. */
export const openEngines = async (options: EnginesOptions): Promise<Engines> => {
  const { eventStoreDb } = options.config
  if (eventStoreDb === undefined) return openEmbeddedEngines(options)
  // Only where they are asked for: the clients of both engines are a third of the files that a start reads.
  const { openDistributedEngines } = await import('./distributed-engines.ts')
  return openDistributedEngines({ ...options, eventStoreDb })
}
