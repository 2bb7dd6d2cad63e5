import { Worker } from 'node:worker_threads'
import type { Clock } from '../../../lib/clock.ts'
import type { Damage } from './row-check.ts'

/** A start has other things to do first. */
const firstAfterMs = 2_000
const againAfterMs = 24 * 3_600_000
const resourceLimits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 }

/** Reads the whole log soon and then once a day, in a thread of low priority, and tells every damage that it finds. */
export const startLogCheck = ({
  path,
  clock,
  onDamage,
}: {
  readonly path: string
  readonly clock: Clock
  readonly onDamage: (damage: Damage) => void
}): { stop(): Promise<void> } => {
  let worker: Worker | undefined
  let isStopped = false
  let cancel = (): void => {}

  const check = (): void => {
    if (isStopped) return
    worker = new Worker(new URL('./log-check-thread.ts', import.meta.url), {
      workerData: path,
      name: 'log-check',
      resourceLimits,
    })
    worker.unref()
    worker.on('message', (damage: Damage) => onDamage(damage))
    // A file that cannot be opened is reported by its next reader.
    worker.on('error', () => {})
    worker.on('exit', () => {
      worker = undefined
      if (!isStopped) cancel = clock.after(againAfterMs, check)
    })
  }

  cancel = clock.after(firstAfterMs, check)
  return {
    stop: async () => {
      isStopped = true
      cancel()
      await worker?.terminate()
    },
  }
}
