import { createInProcessBus } from '../bus/in-process.ts'
import { dataDirectory } from '../data-directory.ts'
import { openEmbeddedLog } from '../stores/embedded/log.ts'
import { createLocalLeadership } from '../workers/leadership.ts'
import { createLocalLeases } from '../workers/leases.ts'
import type { Engines, EnginesOptions } from './engines.ts'

/** One process with a file as its log: nothing else has to run. */
export const openEmbeddedEngines = async ({ config, clock, checkpoints }: EnginesOptions): Promise<Engines> => {
  const data = dataDirectory(config.dataDir)
  const log = await openEmbeddedLog({ path: data.log, clock, walGrown: checkpoints.ask })
  const bus = createInProcessBus()
  return {
    log,
    bus,
    leases: createLocalLeases(),
    leadership: createLocalLeadership(),
    // A few marks a minute: they are not worth a way to forget.
    keepShort: async () => undefined,
    viewsDirectory: data.views,
    isShared: false,
    checks: {},
    publishers: [],
    parts: [
      { name: 'bus', close: bus.close },
      { name: 'log', close: log.close },
    ],
  }
}
