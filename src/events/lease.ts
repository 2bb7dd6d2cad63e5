import { z } from 'zod'
import { defineEvents } from './define.ts'

/**
 * Who lives and who holds which office, where several processes share a log: streams `lease-workers` and
 * `lease-office-<office>`. No listing shows these streams, no copy of the log takes them along, and the log forgets what is old.
 */
export const leaseEvents = defineEvents('lease', {
  /** Everything that the worker runs is leased for `leaseMs` from now on. */
  WorkerRenewed: z.object({ worker: z.string(), host: z.string(), kinds: z.array(z.string()), leaseMs: z.number().positive() }),
  WorkerReleased: z.object({ worker: z.string() }),
  /** The holder has the office for `termMs` from now on; `candidate` names one campaign of one process. */
  OfficeTaken: z.object({ candidate: z.string(), host: z.string(), termMs: z.number().positive() }),
  OfficeRenewed: z.object({ candidate: z.string(), host: z.string(), termMs: z.number().positive() }),
  OfficeLeft: z.object({ candidate: z.string() }),
})
