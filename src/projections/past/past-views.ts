import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, Unavailable } from '../../lib/errors.ts'
import type { EventLog, Position, RecordedEvent } from '../../stores/event-log.ts'
import { createIntake } from '../engine/apply-in-slices.ts'
import { readInto, together } from '../engine/catch-up.ts'
import { type Generation, openGeneration } from '../engine/generation.ts'
import { numberOf } from '../engine/lag.ts'
import { stopAt } from '../engine/poison-event.ts'
import { openSnapshot } from '../engine/view-file.ts'
import type { Projection, Projections, Views } from '../projection.ts'
import { openPastFiles, type PastFile } from './past-files.ts'

/** Views as they were. */
export interface Past {
  /**
   * The named views as of a position that is not after the head; to be released. Rejects with `Unavailable` where that takes longer
   * than `buildMs` (what is missing goes on being built for the next question), and with `Poisoned` where a view cannot take an event.
   */
  at(position: Position, names: readonly string[]): Promise<PastViews>
  /** Takes marks while the live views pass. */
  start(): void
  stop(): Promise<void>
}

export interface PastViews {
  views(name: string): Views
  release(): void
}

export interface PastOptions {
  readonly log: EventLog
  /** Folder of the copies, which nothing else uses. */
  readonly directory: string
  readonly projections: readonly Projection[]
  readonly live: Pick<Projections, 'onApplied' | 'snapshot'>
  readonly clock: Clock
  readonly logger: Logger
  /** Most bytes on disk: the least recently used copy goes first. Default 1 GiB. */
  readonly maxBytes?: number
  /** A question that has waited for this long is answered that it takes longer. Default 10 s. */
  readonly buildMs?: number
  /** Builds that wait for their turn at most. Default 64. */
  readonly mostWaiting?: number
  /** Fewest events between two marks. Default 100,000. */
  readonly markEvents?: number
}

/** A copy that is open. */
interface Shelved extends PastFile {
  readonly generation: Generation
  /** Questions that read it now. */
  users: number
}

interface Member {
  readonly view: { readonly projection: Projection }
  readonly generation: Generation
}

const defaultMaxBytes = 1024 ** 3
const defaultBuildMs = 10_000
const defaultMarkEvents = 100_000
/** Questions that were given up leave their builds behind: without a bound those would wait for ever longer. */
const defaultMostWaiting = 64
/** Marks are taken where the log has grown by a fourth since the one before: their number is logarithmic, and so is what they cost. */
const growth = 1.25
/** Copies that are held open; others are opened again from their files. */
const mostOpen = 24

/**
 * Builds a past view from the nearest earlier copy of it: a mark that was taken while the live view passed, or a copy that an earlier
 * question left behind. One build at a time; the same question asked twice is built once.
 */
export const createPast = ({
  log,
  directory,
  projections,
  live,
  clock,
  logger,
  maxBytes = defaultMaxBytes,
  buildMs = defaultBuildMs,
  markEvents = defaultMarkEvents,
  mostWaiting = defaultMostWaiting,
}: PastOptions): Past => {
  const stopping = new AbortController()
  const { signal } = stopping
  const files = openPastFiles(directory, projections)
  /** The least recently used first. */
  const open = new Map<string, Shelved>()
  const building = new Map<string, Promise<void>>()
  let turn: Promise<unknown> = Promise.resolve()
  let waiting = 0

  const keyOf = ({ projection, position }: PastFile): string => `${projection.name} ${position}`

  const close = (shelved: Shelved): void => {
    open.delete(keyOf(shelved))
    shelved.generation.close()
  }

  const use = (file: PastFile): Shelved | undefined => {
    const key = keyOf(file)
    const known = open.get(key)
    if (known === undefined) return reopen(file)
    open.delete(key)
    open.set(key, known)
    return known
  }

  const reopen = (file: PastFile): Shelved | undefined => {
    if (!files.has(file) || building.has(keyOf(file))) return undefined
    try {
      return shelve(file, openGeneration(file.projection, files.path(file)))
    } catch (error) {
      logger.warn({ view: file.projection.name, position: file.position, reason: messageOf(error) }, 'a past view is built again')
      files.remove(file)
      return undefined
    }
  }

  const shelve = ({ projection, position }: PastFile, generation: Generation): Shelved => {
    const shelved = { projection, position, generation, users: 0 }
    open.set(keyOf(shelved), shelved)
    files.touch(shelved, clock.now())
    return shelved
  }

  /** Builds copies together: they share what is read of the log. Only a finished one gets its name. */
  const build = async (wanted: readonly Projection[], position: Position): Promise<void> => {
    const members: Member[] = []
    try {
      for (const projection of wanted) members.push({ view: { projection }, generation: await beginning(projection, position) })
      const intake = createIntake(clock)
      const copies = together(members, (_member, error) => {
        throw error
      })
      const take = ({ view, generation }: Member, events: readonly RecordedEvent[]): Promise<void> =>
        intake.take(view.projection, generation, events)
      await readInto(copies, { log, note: intake.note, take, signal }, { until: position })
      for (const { generation } of members) {
        stopAt(generation.write())
        stopAt(generation.advance(position, { store: true }))
        generation.markComplete()
      }
    } catch (error) {
      for (const { view, generation } of members) {
        generation.close()
        files.discard(view.projection)
      }
      throw error
    }
    for (const { view, generation } of members) {
      generation.close()
      const file = { ...view, position }
      files.keep(file)
      shelve(file, openGeneration(view.projection, files.path(file)))
    }
  }

  /** A copy of the nearest one that is not after the position; empty where there is none. */
  const beginning = async (projection: Projection, position: Position): Promise<Generation> => {
    const file = files.begin(projection)
    const base = files.nearest(projection, position)
    if (base !== undefined) await openSnapshot(files.path({ projection, position: base })).copyTo(file)
    return openGeneration(projection, file)
  }

  /** Keeps to the bounds of open files and of bytes; not before those who asked for a copy have read it. */
  const tidy = (): void => {
    for (const shelved of open.values()) if (open.size > mostOpen && shelved.users === 0) close(shelved)
    if (files.bytes() <= maxBytes) return
    for (const file of files.oldest()) {
      if (files.bytes() <= maxBytes) return
      const shelved = open.get(keyOf(file))
      if (shelved !== undefined && shelved.users > 0) continue
      if (shelved !== undefined) close(shelved)
      files.remove(file)
    }
  }

  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = turn.then(work)
    turn = done.catch(() => {})
    return done
  }

  const ensure = async (wanted: readonly Projection[], position: Position): Promise<void> => {
    const missing = wanted.filter((projection) => use({ projection, position }) === undefined)
    const begun = missing.filter((projection) => !building.has(keyOf({ projection, position })))
    if (begun.length > 0) {
      if (waiting >= mostWaiting) throw new Unavailable(`the views as of ${mostWaiting} other moments are built first`)
      waiting++
      const built = inTurn(() => build(begun, position)).finally(() => {
        waiting--
        for (const projection of begun) building.delete(keyOf({ projection, position }))
      })
      for (const projection of begun) building.set(keyOf({ projection, position }), built)
    }
    await Promise.all(missing.map((projection) => building.get(keyOf({ projection, position }))))
  }

  const named = (name: string): Projection => {
    const projection = projections.find((one) => one.name === name)
    if (projection === undefined) throw new Error(`this process has no view ${name}`)
    return projection
  }

  const at: Past['at'] = async (position, names) => {
    const wanted = names.map(named)
    const ensured = ensure(wanted, position)
    // The caller may already have got the answer that it takes longer.
    ensured.catch((error: unknown) => {
      if (!signal.aborted) logger.error({ position, reason: messageOf(error) }, 'a past view was not built')
    })
    const { promise: late, resolve } = Promise.withResolvers<'late'>()
    const cancel = clock.after(buildMs, () => resolve('late'))
    if ((await Promise.race([ensured, late]).finally(cancel)) === 'late')
      throw new Unavailable(`the views as of ${position} are still being built`)
    const held = wanted.map((projection) => {
      const shelved = use({ projection, position })
      if (shelved === undefined)
        throw new Unavailable(`the view ${projection.name} as of ${position} was removed to free space for other views`)
      return shelved
    })
    for (const shelved of held) shelved.users++
    return {
      views: (name) => {
        const found = held.find(({ projection }) => projection.name === name)
        if (found === undefined) throw new Error(`the view ${name} was not asked for`)
        return found.generation
      },
      release: () => {
        for (const shelved of held) shelved.users--
        tidy()
      },
    }
  }

  let passed = 0
  let detach = (): void => {}

  /** One view after the other; each mark stands where its view stands at that moment. */
  const mark = async (): Promise<void> => {
    for (const projection of projections) {
      try {
        files.keep({ projection, position: await live.snapshot(projection.name, files.begin(projection)) })
      } catch (error) {
        if (signal.aborted) return
        logger.warn({ view: projection.name, reason: messageOf(error) }, 'a snapshot of a view was not taken')
        files.discard(projection)
      }
    }
    tidy()
  }

  const markWhereDue = ([last]: readonly RecordedEvent[]): void => {
    const [first] = projections
    if (passed < markEvents || last === undefined || first === undefined) return
    const former = files.nearest(first, last.position)
    passed = 0
    if (former === undefined || numberOf(last.position) >= numberOf(former) * growth) void inTurn(mark)
  }

  return {
    at,
    start: () => {
      detach = live.onApplied((events) => {
        passed += events.length
        markWhereDue(events.slice(-1))
      })
    },
    stop: async () => {
      stopping.abort(new Unavailable('the views are stopped'))
      detach()
      await turn
      for (const shelved of [...open.values()]) close(shelved)
    },
  }
}
