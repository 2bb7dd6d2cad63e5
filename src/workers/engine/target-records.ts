import type { TargetChange } from '../../commands/targets.ts'

interface Waiting {
  readonly change: TargetChange
  readonly bytes: number
  resolve(): void
  reject(error: unknown): void
}

/** About how many bytes of data one append holds; a log on a server takes 1 MiB. */
const batchBytes = 512 * 1024
const batchLength = 500

/**
 * Records what becomes of targets, in the order of the calls. What comes within one round of the event loop, or while an append is under
 * way, goes into one append: 10,000 targets that take no time would else take 20,000 appends one after the other.
 */
export const createTargetRecords = (record: (changes: readonly TargetChange[]) => Promise<void>) => {
  const waiting: Waiting[] = []
  let isRecording = false

  const next = (): readonly Waiting[] => {
    let bytes = 0
    const end = waiting.findIndex((one, index) => {
      bytes += one.bytes
      return index > 0 && (bytes > batchBytes || index >= batchLength)
    })
    return waiting.splice(0, end < 0 ? waiting.length : end)
  }

  const recordAll = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = next()
      try {
        await record(batch.map(({ change }) => change))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    isRecording = false
  }

  return {
    /** Resolves when it is recorded. */
    add: (change: TargetChange): Promise<void> => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      waiting.push({ change, bytes: Buffer.byteLength(JSON.stringify(change.data)), resolve, reject })
      if (!isRecording) {
        isRecording = true
        setImmediate(() => void recordAll())
      }
      return promise
    },
  }
}
