import type { Logger } from 'pino'
import { blob } from '../../commands/blob.ts'
import type { Executor } from '../../commands/execute.ts'
import { blobIdOf, blobStream } from '../../events/blob.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Uploads } from '../../stores/blobs.ts'

/** A request settles what it received within seconds: what is in doubt for this long was left by a crash. */
const doubtfulMs = 600_000
/** No upload pauses for longer: it was left by a crash. */
const leastIdleMs = 600_000
const everyMs = 600_000

/**
 * Settles what crashes have left in the store of uploads: parts of bodies, files without a record, files of deleted blobs. The log decides. For one
 * node at a time.
 */
export const createUploadSettler = ({
  uploads,
  executor,
  bodyIdleMs,
  isAlone,
  clock,
  logger,
}: {
  readonly uploads: Uploads
  readonly executor: Pick<Executor, 'load'>
  readonly bodyIdleMs: number
  /** No other process uses the store: what is found at the start was left by a crash, however new it is. */
  readonly isAlone: boolean
  readonly clock: Clock
  readonly logger: Logger
}) => {
  let cancel = (): void => {}
  let round: Promise<void> = Promise.resolve()
  let isStopped = false

  const settleAll = async ({ idleMs, forMs }: { readonly idleMs: number; readonly forMs: number }): Promise<void> => {
    await uploads.clearUnfinished(idleMs)
    for (const ref of await uploads.inDoubt(forMs)) {
      if (isStopped) return
      const { state } = await executor.load(blob, blobStream(blobIdOf(ref.slice(0, ref.indexOf('.')))))
      const verdict = state.status === 'stored' && state.file === ref ? 'kept' : 'removed'
      await uploads.settle(ref, verdict)
      logger.info({ file: ref }, `an upload that a crash left in doubt is ${verdict}`)
    }
  }

  const begin = (limits: Parameters<typeof settleAll>[0]): Promise<void> => {
    round = settleAll(limits)
      .catch((error: unknown) => logger.warn({ err: error }, 'uploads in doubt could not be settled'))
      .then(() => {
        if (!isStopped) cancel = clock.after(everyMs, () => void begin(usual))
      })
    return round
  }
  const usual = { idleMs: Math.max(leastIdleMs, 2 * bodyIdleMs), forMs: doubtfulMs }

  return {
    start: async (): Promise<void> => {
      isStopped = false
      await begin(isAlone ? { idleMs: 0, forMs: 0 } : usual)
    },
    stop: async (): Promise<void> => {
      isStopped = true
      cancel()
      await round
    },
  }
}
