import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, Unavailable } from '../../lib/errors.ts'
import type { EventLog, Position, RecordedEvent } from '../../stores/event-log.ts'
import type { Projection, Views } from '../projection.ts'
import { createIntake } from './apply-in-slices.ts'
import { readInto, together } from './catch-up.ts'
import { type Generation, openGeneration } from './generation.ts'
import { stopAt } from './poison-event.ts'

/** A view that is brought up to date when somebody asks, and costs nothing before. */
export interface OnDemandView {
  /**
   * The view with every event up to `position` at least. Rejects with `Unavailable` where that takes longer than `buildMs`: it goes on for
   * the next question.
   */
  upTo(position: Position): Promise<Views>
  stop(): Promise<void>
}

const defaultBuildMs = 10_000

export const createOnDemandView = ({
  log,
  directory,
  projection,
  clock,
  logger,
  buildMs = defaultBuildMs,
}: {
  readonly log: EventLog
  readonly directory: string
  readonly projection: Projection
  readonly clock: Clock
  readonly logger: Logger
  readonly buildMs?: number
}): OnDemandView => {
  const stopping = new AbortController()
  const { signal } = stopping
  const intake = createIntake(clock)
  let opened: Generation | undefined
  let reading: Promise<void> | undefined

  const open = (): Generation => {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const file = join(directory, `${projection.name}-v${projection.version}.db`)
    try {
      return openGeneration(projection, file)
    } catch (error) {
      logger.warn({ view: projection.name, reason: messageOf(error) }, 'a view cannot be opened and is rebuilt')
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true })
      return openGeneration(projection, file)
    }
  }

  const read = async (generation: Generation): Promise<void> => {
    const head = await log.head()
    const copies = together([{ view: { projection }, generation }], (_copy, error) => {
      throw error
    })
    const take = (_: unknown, events: readonly RecordedEvent[]): Promise<void> => intake.take(projection, generation, events)
    await readInto(copies, { log, note: intake.note, take, signal }, { until: head })
    stopAt(generation.write())
    stopAt(generation.advance(head, { store: true }))
  }

  const reach = async (generation: Generation, position: Position): Promise<void> => {
    while (generation.position() < position) {
      reading ??= read(generation).finally(() => {
        reading = undefined
      })
      await reading
    }
  }

  return {
    upTo: async (position) => {
      signal.throwIfAborted()
      opened ??= open()
      const reached = reach(opened, position)
      // The caller may already have got the answer that it takes longer.
      reached.catch((error: unknown) => {
        if (!signal.aborted)
          logger.error({ view: projection.name, reason: messageOf(error) }, 'a view was not brought up to date')
      })
      const { promise: late, resolve } = Promise.withResolvers<'late'>()
      const cancel = clock.after(buildMs, () => resolve('late'))
      if ((await Promise.race([reached, late]).finally(cancel)) === 'late')
        throw new Unavailable(`the view ${projection.name} is still being built`)
      return opened
    },
    stop: async () => {
      stopping.abort(new Unavailable('the views are stopped'))
      await reading?.catch(() => undefined)
      opened?.close()
      opened = undefined
    },
  }
}
