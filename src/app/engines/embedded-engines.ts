import { createInProcessBus } from '../../bus/in-process.ts'
import { dataDirectory } from '../../data-directory.ts'
import { createLocalLeadership } from '../../stores/embedded/leadership.ts'
import { createLocalLeases } from '../../stores/embedded/leases.ts'
import { openEmbeddedLog } from '../../stores/embedded/log.ts'
import type { Engines, EnginesOptions } from './engines.ts'

/** One process with a file as its log: nothing else has to run. */
export const openEmbeddedEngines = async ({ config, clock, logger, checkpoints }: EnginesOptions): Promise<Engines> => {
  const data = dataDirectory(config.dataDir)
  const log = await openEmbeddedLog({
    path: data.log,
    clock,
    maxAppendBytes: roomFor(config.maxBodyBytes),
    walGrown: checkpoints.ask,
    onDamage: (damage) => logger.error(damage, 'the log is damaged: restore a backup, or copy what can be read'),
  })
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
    start: async () => undefined,
    parts: [
      { name: 'bus', close: bus.close },
      { name: 'log', close: log.close },
    ],
  }
}

/** Beside a request's input its event holds lane, policy and more, and a result stands in a text of its own. */
const besideBody = 1024 * 1024
/** What came as `1e20` is recorded as 100000000000000000000. */
const mostGrowth = 6

/** The longest outcome that a program may report. */
const longestOutcome = 8 * 1024 * 1024

/** Bytes of data that one append may have, so that every body within the limit can be recorded, and every outcome. */
const roomFor = (maxBodyBytes: number): number => Math.max(mostGrowth * maxBodyBytes, longestOutcome) + besideBody
