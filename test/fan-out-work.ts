import { appendFileSync } from 'node:fs'
import { z } from 'zod'
import { systemClock } from '../src/lib/clock.ts'
import type { JsonValue } from '../src/lib/json.ts'
import { type Work, WorkFailed } from '../src/workers/work.ts'

const Input = z.object({
  hosts: z.array(z.string()),
  fails: z.array(z.string()).optional(),
  takesMs: z.number().optional(),
  parallel: z.number().optional(),
  maxFailures: z.number().optional(),
})

/** The kind `fan-out`: its targets are hosts that take some time, and some of them fail. Each run is a line of `file`. */
export const fanOutWork = (file?: string): Work => {
  const work: Work<z.infer<typeof Input>> = {
    kind: 'fan-out',
    face: null,
    description: 'Goes over hosts',
    submittable: true,
    input: Input,
    targets: { from: '/hosts' },
    policy: { attempts: 2, timeoutMs: 600_000, backoff: { initialMs: 5, factor: 1, maxMs: 5 }, whenLost: 'retry' },
    run: async ({ hosts: _, fails = [], takesMs = 0, ...options }, context) => {
      const result = await context.targets(options as object, async (host, { signal, attempt }) => {
        if (file !== undefined) appendFileSync(file, `${host}\n`)
        if (takesMs > 0) await systemClock.sleep(takesMs, signal)
        if (fails.includes(host)) throw new WorkFailed('unreachable', `${host} does not answer`, { retryable: true })
        return { host, attempt }
      })
      return result as JsonValue
    },
  }
  return work as Work
}
