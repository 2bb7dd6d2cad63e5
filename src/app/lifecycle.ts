import type { Logger } from 'pino'
import type { Clock } from '../lib/clock.ts'

/** A process from its start to its end. */
export interface Lifecycle {
  /** Takes the steps one after the other. What cannot be started is closed again, and the reason thrown. A stop that was asked for meanwhile wins. */
  start(): Promise<void>
  /** Resolves when all is closed. Asked again it is the same stop. */
  stop(): Promise<void>
}

/** Something that was opened. */
export interface Part {
  /** Said where it does not close. */
  readonly name: string
  close(): unknown
}

/** A part that does not close by then is left to the end of the process. */
const closeWithinMs = 10_000

export const createLifecycle = ({
  steps,
  drain,
  parts,
  clock,
  logger,
}: {
  readonly steps: readonly (() => unknown)[]
  /** Releases running work, before anything is closed. */
  readonly drain: () => Promise<void>
  /** Closed from the outside in. */
  readonly parts: readonly Part[]
  readonly clock: Clock
  readonly logger: Logger
}): Lifecycle => {
  let stopped: Promise<void> | undefined

  const close = (): Promise<void> => closeAll({ parts, clock, logger })

  const stop = async (): Promise<void> => {
    try {
      await drain()
    } catch (error) {
      logger.error({ err: error }, 'running work was not handed back; others take it over when the lease expires')
    }
    await close()
    logger.info('stopped')
  }

  return {
    start: async () => {
      try {
        for (const step of steps) {
          if (stopped !== undefined) return
          await step()
        }
      } catch (error) {
        if (stopped !== undefined) return
        await close()
        throw error
      }
    },
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

/** Closes one after the other; a failure of one part does not keep the others open. */
export const closeAll = async ({
  parts,
  clock,
  logger,
}: {
  readonly parts: readonly Part[]
  readonly clock: Clock
  readonly logger: Logger
}): Promise<void> => {
  for (const part of parts) {
    const { promise: late, resolve } = Promise.withResolvers<'late'>()
    const cancel = clock.after(closeWithinMs, () => resolve('late'))
    try {
      if ((await Promise.race([part.close(), late])) === 'late')
        logger.error({ part: part.name }, 'a component did not close in time')
    } catch (error) {
      logger.error({ err: error, part: part.name }, 'a component did not close')
    }
    cancel()
  }
}
