import { Worker } from 'node:worker_threads'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf } from '../../../lib/errors.ts'
import { WorkFailed } from '../../work.ts'
import type { FromManifests } from './manifest-thread.ts'
import type { FoundTemplates } from './read-templates.ts'

/** Far more than honest manifests need, also on a busy machine. */
const readingMs = 30_000
const resourceLimits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 }

/** As `readTemplates`, in a thread that is ended where manifests cost too much time or memory. */
export const readManifests = (
  checkout: string,
  { signal, clock, timeoutMs = readingMs }: { readonly signal: AbortSignal; readonly clock: Clock; readonly timeoutMs?: number },
): Promise<FoundTemplates> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const worker = new Worker(new URL('./manifest-thread.ts', import.meta.url), {
      name: 'robot-manifests',
      workerData: checkout,
      resourceLimits,
    })
    const tooCostly = (why: string): WorkFailed =>
      new WorkFailed('manifest-invalid', `the manifests cannot be read: ${why}`, { retryable: false })
    const settle = (finish: () => void): void => {
      cancel()
      signal.removeEventListener('abort', abort)
      finish()
      void worker.terminate()
    }
    const abort = (): void => settle(() => reject(signal.reason))
    const cancel = clock.after(timeoutMs, () => settle(() => reject(tooCostly(`they take more than ${timeoutMs / 1000} s`))))
    signal.addEventListener('abort', abort, { once: true })
    worker.once('error', (error) => settle(() => reject(tooCostly(messageOf(error)))))
    worker.once('message', (said: FromManifests) =>
      settle(() => {
        if ('found' in said) return resolve(said.found)
        const { type, message, details } = said.refused
        reject(new WorkFailed(type, message, { retryable: false, details }))
      }),
    )
  })
