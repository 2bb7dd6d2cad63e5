import type { Logger } from 'pino'
import { messageOf } from '../../lib/errors.ts'
import type { EventLog, Position, RecordedEvent } from '../../stores/event-log.ts'
import type { Intake } from './apply-in-slices.ts'
import { type Copies, eventsPerChunk, readInto, together } from './catch-up.ts'
import type { Generation } from './generation.ts'
import { shareBehind } from './lag.ts'
import { Poisoned, stopAt } from './poison-event.ts'
import type { Waiters } from './position-waiters.ts'
import type { Copy, View } from './view.ts'

export interface FillingOptions {
  readonly log: EventLog
  readonly intake: Intake
  readonly waiters: Waiters
  readonly logger: Logger
  readonly signal: AbortSignal
  /** Where the shared feed is; it does not move while a work of `inTurn` runs. */
  readonly fed: () => Position
  readonly inTurn: <Result>(work: () => Promise<Result>) => Promise<Result>
}

/** Fills copies of views from the log by themselves, until they stand where the shared feed is and take part in it. */
export const createFilling = ({ log, intake, waiters, logger, signal, fed, inTurn }: FillingOptions) => {
  /** Runs one work of a view after the other. */
  const task = <Result>(view: View, work: () => Promise<Result>): Promise<Result> => {
    const result = view.task.then(work)
    view.task = result.catch(() => {})
    return result
  }

  const reading = {
    log,
    note: intake.note,
    take: ({ view, generation }: Copy, events: readonly RecordedEvent[]) => intake.take(view.projection, generation, events),
    signal,
  }

  /** Brings copies to where the feed is, lets them take part from there and answer from now on. */
  const catchUp = async (copies: Copies<Copy>, onProgress?: (fraction: number) => void): Promise<void> => {
    let told = 0
    for (let count = eventsPerChunk; count >= eventsPerChunk && copies.left().length > 0; ) {
      const head = await log.head()
      // The head moves on meanwhile; a lag that was reported stays as it is.
      const progress = () => {
        told = Math.max(told, Math.min(shareBehind(copies.position(), head), 0.99))
        onProgress?.(told)
      }
      count = await readInto(copies, reading, { progress })
      await copies.each(({ generation }) => {
        stopAt(generation.write())
        stopAt(generation.advance(head, { store: true }))
      })
      waiters.look()
    }
    await inTurn(async () => {
      await readInto(copies, reading, { until: fed() })
      await copies.each(({ view, generation }) => {
        stopAt(generation.write())
        stopAt(generation.advance(fed()))
        generation.markComplete()
        const former = view.current
        view.current = generation
        view.joined = true
        view.damaged = false
        view.fault = null
        if (former !== generation) view.files.discard(former)
      })
    })
    waiters.look()
  }

  /** `catchUp` for all that can; of each other one `failed` hears why not. */
  const join = async (
    members: readonly Copy[],
    failed: (view: View, error: unknown) => void,
    onProgress?: (fraction: number) => void,
  ): Promise<void> => {
    const copies = together(members, ({ view }, error) => failed(view, error))
    try {
      await catchUp(copies, onProgress)
    } catch (error) {
      await copies.each(() => {
        throw error
      })
    }
  }

  const refill = async (view: View, generation: Generation, onProgress?: (fraction: number) => void): Promise<void> => {
    const { name } = view.projection
    logger.info({ view: name, position: generation.position() }, 'a view is rebuilt')
    try {
      let fault: unknown
      await join(
        [{ view, generation }],
        (_view, error) => {
          fault = error
        },
        onProgress,
      )
      if (fault !== undefined) throw fault
      view.rebuildFault = null
      onProgress?.(1)
      logger.info({ view: name, position: generation.position() }, 'a rebuilt view replaced the old one')
    } catch (error) {
      // A stop leaves the copy for the next start to go on with.
      if (signal.aborted) {
        store(view, generation)
        generation.close()
      } else {
        const position = error instanceof Poisoned ? error.poison.position : generation.position()
        view.rebuildFault = { position, message: `it could not be rebuilt: ${messageOf(error)}` }
        view.files.discard(generation)
        logger.error({ view: name, reason: messageOf(error) }, 'a view could not be rebuilt; the old one stays in use')
      }
      throw error
    }
  }

  const rebuild = (view: View, make: () => Generation, onProgress?: (fraction: number) => void): Promise<void> => {
    view.rebuilding ??= task(view, () => refill(view, make(), onProgress)).finally(() => {
      view.rebuilding = undefined
      waiters.look()
    })
    return view.rebuilding
  }

  /** What cannot be stored now is read from the log again at the next start. */
  const store = ({ projection }: View, generation: Generation): void => {
    try {
      generation.write()
      generation.advance(generation.position(), { store: true })
    } catch (error) {
      logger.warn({ view: projection.name, reason: messageOf(error) }, 'a view could not store its rows')
    }
  }

  return { task, join, rebuild, store }
}
