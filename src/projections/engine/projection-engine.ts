import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { nextTurn } from '../../lib/time-slice.ts'
import { union } from '../../stores/event-filter.ts'
import { type EventLog, type Feed, origin, type Position, type RecordedEvent } from '../../stores/event-log.ts'
import { followInBatches } from '../../stores/follow-in-batches.ts'
import type { Projection, Projections, SqlValue } from '../projection.ts'
import { createIntake } from './apply-in-slices.ts'
import { createFilling } from './fill-views.ts'
import type { Generation } from './generation.ts'
import { generationFiles } from './generation-files.ts'
import { Poisoned, stopAt } from './poison-event.ts'
import { createWaiters } from './position-waiters.ts'
import type { View } from './view.ts'
import { isDamagedFile, openSnapshot, ViewDamaged } from './view-file.ts'
import { createViewStates } from './view-state.ts'

export interface ProjectionsOptions {
  readonly log: EventLog
  /** Folder of the views' files, or `:memory:`. */
  readonly directory: string
  readonly projections: readonly Projection[]
  readonly clock: Clock
  readonly logger: Logger
  /** Called when the write-ahead log of a file wants a checkpoint; SQLite makes it later where nobody does. */
  readonly walGrown?: (file: string) => void
  /** Puts views aside that know more than the log, instead of refusing to start. Default false. */
  readonly acceptLoss?: boolean
}

const latest = (positions: readonly Position[]): Position => positions.toSorted().at(-1) ?? origin

const defaultWaitMs = 2000
/** How long a view rests after a fault of the machine (a full disk and the like) before it goes on by itself. */
const recoverMs = 5000
const gatherMs = 200
const damageLookMs = 500

/**
 * Runs the views. Those that hold the whole log follow one shared subscription; one that does not (a new one, a new
 * version, a rebuild) reads the log by itself up to where the others stand and joins them there.
 */
export const createProjections = ({
  log,
  directory,
  projections,
  clock,
  logger,
  walGrown = () => {},
  acceptLoss = false,
}: ProjectionsOptions): Projections => {
  const views = new Map<string, View>()
  const waiters = createWaiters(clock)
  const listeners = new Set<(events: readonly RecordedEvent[]) => void>()
  const stopping = new AbortController()
  const { signal } = stopping
  const intake = createIntake(clock)
  /** Where the feed is. Changes in turn only. */
  let fed: Position = ''
  let live = false
  let gathering = false
  let goneLive = () => {}
  let feeding: Promise<void> = Promise.resolve()

  /** Batches of the feed and the joining of a view happen one after the other. */
  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = turn.then(work)
    turn = result.catch(() => {})
    return result
  }

  const states = createViewStates({ log, live: () => live })
  const { task, join, rebuild, store } = createFilling({ log, intake, waiters, logger, signal, fed: () => fed, inTurn })

  const known = (name: string): View => {
    const view = views.get(name)
    if (view === undefined) throw new Error(`there is no view ${name}, or the views are not open`)
    return view
  }

  const applyFed = async (view: View, events: readonly RecordedEvent[], through: Position): Promise<void> => {
    const { current } = view
    try {
      await intake.take(view.projection, current, events)
      stopAt(current.advance(through))
      gather(current)
    } catch (error) {
      failed(view, error)
    }
    waiters.look()
  }

  const applyBatch = async (items: readonly Feed[]): Promise<void> => {
    const events = items.flatMap((item) => (item.kind === 'event' ? [item.event] : []))
    await intake.noteAll(events)
    const through = items.reduce((_, item) => (item.kind === 'event' ? item.event.position : item.position), fed)
    for (const view of views.values()) if (view.joined) await applyFed(view, events, through)
    fed = through
    if (!live && items.some(({ kind }) => kind === 'live')) {
      live = true
      goneLive()
    }
    if (events.length > 0) for (const listener of listeners) tell(listener, events)
  }

  /** What views have taken is committed a moment after the first of it: each small batch would write the same pages over and over. */
  const gather = (generation: Generation): void => {
    if (gathering || !generation.gathers()) return
    gathering = true
    clock.after(gatherMs, () => {
      gathering = false
      void commitAll()
    })
  }

  const commitAll = async (): Promise<void> => {
    for (const view of views.values()) {
      if (signal.aborted) return
      if (!view.joined || !view.current.gathers()) continue
      try {
        stopAt(view.current.write())
      } catch (error) {
        failed(view, error)
      }
      await nextTurn()
    }
  }

  const tell = (listener: (events: readonly RecordedEvent[]) => void, events: readonly RecordedEvent[]): void => {
    try {
      listener(events)
    } catch (error) {
      logger.error({ reason: messageOf(error) }, 'a listener to applied events failed')
    }
  }

  /** A poison event stops its view until it is rebuilt or the program is another; a fault of the machine for a while. */
  const failed = (view: View, error: unknown): void => {
    if (signal.aborted) return
    view.joined = false
    if (isDamagedFile(error)) {
      damaged(view, error)
      return
    }
    const poisoned = error instanceof Poisoned
    view.fault = poisoned ? error.poison : { position: view.current.position(), message: messageOf(error) }
    logger.error(
      { view: view.projection.name, ...view.fault },
      poisoned ? 'a view is stopped by an event' : 'a view is interrupted',
    )
    if (!poisoned) clock.after(recoverMs, () => recover(view))
    waiters.look()
  }

  const damaged = (view: View, error: unknown): void => {
    if (view.damaged) return
    view.damaged = true
    view.fault = { position: view.current.position(), message: messageOf(error) }
    logger.error(
      { view: view.projection.name, file: view.current.file, ...view.fault },
      'the file of a view is damaged; the view is rebuilt',
    )
    replace(view)
  }

  /** Rebuilds a damaged view, again and again where the machine does not let it. */
  const replace = (view: View): void => {
    rebuild(view, view.files.create).catch((error: unknown) => {
      if (!(error instanceof Poisoned) && view.damaged && !signal.aborted) clock.after(recoverMs, () => replace(view))
    })
    waiters.look()
  }

  const recover = (view: View): void => {
    if (view.joined || view.damaged || signal.aborted) return
    if (view.rebuilding === undefined) view.fault = null
    void task(view, async () => {
      if (!view.joined && !view.damaged && !signal.aborted) await join([{ view, generation: view.current }], failed)
    })
  }

  const feed = async (): Promise<void> => {
    const filter = union(projections.map((projection) => projection.filter))
    for await (const batch of followInBatches({ log, after: fed, filter, signal, clock, logger })) {
      await inTurn(() => applyBatch(batch))
    }
  }

  /** Damage between the feed and the head ends the wait for the head. */
  const lookForDamage = (): void => {
    if (live || signal.aborted) return
    if (log.damageAfter?.(fed) !== undefined) goneLive()
    clock.after(damageLookMs, lookForDamage)
  }

  const start = async (): Promise<void> => {
    const head = await log.head()
    const unfinished: [View, Generation][] = []
    for (const projection of projections) {
      const files = generationFiles(projection, directory, { logger, walGrown, acceptLoss })
      const opened = files.open(head)
      const { current } = opened
      const joined = current.complete()
      const view = {
        projection,
        files,
        current,
        joined,
        damaged: false,
        fault: null,
        rebuildFault: null,
        rebuilding: undefined,
        task: Promise.resolve(),
      }
      views.set(projection.name, view)
      if (opened.unfinished !== undefined) unfinished.push([view, opened.unfinished])
    }
    const all = [...views.values()]
    fed = all.reduce((least, { joined, current }) => (joined && current.position() < least ? current.position() : least), head)
    const caughtUp = new Promise<void>((resolve) => {
      goneLive = resolve
    })
    feeding = feed()
    signal.addEventListener('abort', () => goneLive(), { once: true })
    lookForDamage()
    const others = all.filter(({ joined }) => !joined)
    const joining = join(
      others.map((view) => ({ view, generation: view.current })),
      failed,
    )
    await Promise.all([caughtUp, ...others.map((view) => task(view, () => joining))])
    if (signal.aborted) return
    for (const view of all) {
      if (!view.joined) continue
      view.files.keepOnly([view.current, ...unfinished.filter(([of]) => of === view).map(([, generation]) => generation)])
    }
    for (const [view, generation] of unfinished) rebuild(view, () => generation).catch(() => {})
  }

  const stop = async (): Promise<void> => {
    if (signal.aborted) return
    stopping.abort(new Error('the views are stopped'))
    waiters.end()
    await feeding
    await turn
    for (const view of views.values()) {
      await view.task
      store(view, view.current)
      view.current.close()
    }
  }

  const hasReached = (position: Position, names: readonly string[]): boolean | undefined => {
    let answer: boolean | undefined = true
    for (const name of names) {
      const view = views.get(name)
      if (view !== undefined && view.current.position() >= position) continue
      if (view !== undefined && view.rebuilding === undefined && states.faultOf(view) !== null) return false
      answer = undefined
    }
    return answer
  }

  /** Reads from the tables with everything that the view knows; where that cannot be written, with what could be. */
  const read = <Result>(name: string, question: (generation: Generation) => Result): Result => {
    const view = known(name)
    try {
      if (!view.damaged) stopAt(view.current.settle())
    } catch (error) {
      failed(view, error)
    }
    return answered(view, question)
  }

  const answered = <Result>(view: View, question: (generation: Generation) => Result): Result => {
    try {
      if (!view.damaged) return question(view.current)
    } catch (error) {
      if (!isDamagedFile(error)) throw error
      failed(view, error)
    }
    throw new ViewDamaged(`the file of the view ${view.projection.name} is damaged; the view is being rebuilt`)
  }

  return {
    start,
    stop,
    views: (name) => ({
      get: <R>(sql: string, ...values: readonly SqlValue[]) => read(name, (rows) => rows.get<R>(sql, ...values)),
      all: <R>(sql: string, ...values: readonly SqlValue[]) => read(name, (rows) => rows.all<R>(sql, ...values)),
      find: <R>(key: string) => answered(known(name), (rows) => rows.find<R>(key)),
    }),
    reached: (position, { timeoutMs = defaultWaitMs, names = projections.map(({ name }) => name) } = {}) =>
      waiters.until(() => hasReached(position, names), timeoutMs),
    position: (names) => latest(names.map((name) => known(name).current.position())),
    together: (names) => {
      if (names.length < 2) return true
      const look = (): boolean | undefined => {
        const members = names.map(known)
        if (members.some(({ joined }) => !joined)) return false
        const [first] = members
        return members.every(({ current }) => current.position() === first?.current.position()) || undefined
      }
      return look() ?? waiters.until(look, defaultWaitMs)
    },
    onApplied: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    status: async () => {
      const head = await log.head()
      return Promise.all([...views.values()].map((view) => states.statusOf(view, head)))
    },
    snapshot: async (name, file) => {
      const { position, snapshot } = await inTurn(async () => {
        const view = known(name)
        const { current } = view
        try {
          stopAt(current.write())
          stopAt(current.advance(current.position(), { store: true }))
        } catch (error) {
          // It has gone back to its last commit: what follows must not be applied before what it has lost.
          failed(view, error)
          throw error
        }
        return { position: current.position(), snapshot: openSnapshot(current.file) }
      })
      await snapshot.copyTo(file)
      return position
    },
    rebuild: (name, progress) => {
      const view = known(name)
      return rebuild(view, view.files.create, progress)
    },
  }
}
