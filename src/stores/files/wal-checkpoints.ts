import { Worker } from 'node:worker_threads'
import type { CheckpointOrder } from './wal-checkpoint-thread.ts'

/**
 * Copies what was committed from write-ahead logs into their files, away from the main thread (its longest commit at 200 feeds a second:
 * 30 → 5 ms; the thread takes 10 MiB).
 */
export interface WalCheckpoints {
  /** To be done soon for this file. */
  ask(file: string): void
  /** Resolves when no file is touched any more. */
  stop(): Promise<void>
}

/** It runs one statement now and then. */
const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 }

/** The thread starts with the first file that is asked for: many programs write too little for it. */
export const createWalCheckpoints = (): WalCheckpoints => {
  let thread: Worker | undefined
  let stopped = false
  const underWay = new Set<string>()

  const start = (): Worker => {
    const worker = new Worker(new URL('./wal-checkpoint-thread.ts', import.meta.url), { name: 'wal-checkpoints', resourceLimits })
    worker.unref()
    worker.on('message', (done: CheckpointOrder) => underWay.delete(done.file))
    // Without it SQLite does the same in the main thread, later.
    worker.on('error', () => {})
    worker.on('exit', () => {
      thread = undefined
      underWay.clear()
    })
    return worker
  }

  return {
    ask: (file) => {
      if (stopped || underWay.has(file)) return
      underWay.add(file)
      thread ??= start()
      thread.postMessage({ file } satisfies CheckpointOrder)
    },
    stop: async () => {
      stopped = true
      await thread?.terminate()
    },
  }
}
