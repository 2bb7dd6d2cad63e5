import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { anyJson } from '../lib/json-schemas.ts'
import { type Work, WorkFailed } from './work.ts'

const ProbeInput = z.strictObject({
  sleepMs: z.number().int().min(0).max(600_000).optional().meta({ description: 'How long to sleep, in milliseconds' }),
  failAttempts: z.number().int().min(0).max(100).optional().meta({ description: 'Number of first attempts that fail' }),
  output: z.string().optional().meta({ description: 'Text to write to the output' }),
  echo: anyJson.optional().meta({ description: 'Any value; the result returns it' }),
})
type ProbeInput = z.infer<typeof ProbeInput>

const reportMs = 1_000

/** The built-in kind for smoke tests, demos and benchmarks. Source: native contract, section 2. */
export const probe = (clock: Clock): Work<ProbeInput> => ({
  kind: 'probe',
  face: null,
  description: 'Sleeps, writes output, fails a number of times and returns `echo`: for smoke tests, demos and benchmarks',
  submittable: true,
  input: ProbeInput,
  policy: {
    attempts: 5,
    timeoutMs: 15 * 60_000,
    backoff: { initialMs: 100, factor: 2, maxMs: 10_000 },
    whenLost: 'retry',
  },
  async run({ sleepMs = 0, failAttempts = 0, output = '', echo = null }, context) {
    if (output !== '') await context.output(output)
    const begun = clock.monotonic()
    for (let slept = 0; slept < sleepMs; slept = clock.monotonic() - begun) {
      if (slept > 0)
        context.progress({ phase: 'sleep', fraction: slept / sleepMs, detail: `${Math.round(slept)} of ${sleepMs} ms` })
      await clock.sleep(Math.min(reportMs, sleepMs - slept), context.signal)
    }
    context.signal.throwIfAborted()
    if (context.attempt <= failAttempts)
      throw new WorkFailed('probe-failed', `attempt ${context.attempt} of ${failAttempts} that were asked to fail`, {
        retryable: true,
      })
    return { echo, attempt: context.attempt }
  },
})
