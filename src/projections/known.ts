import type { Clock } from '../lib/clock.ts'
import type { EventLog, Position } from '../stores/event-log.ts'
import { type TrailQueries, trailQueries } from './causes.ts'
import type { OnDemandView } from './engine/on-demand-view.ts'
import { lastRecordedAt, moments, positionAt } from './past/moments.ts'
import type { Past } from './past/past-views.ts'
import type { Projections, Views } from './projection.ts'

/** What one request may read: the present, or a moment of the past. Routes have no other way to read. */
export interface Known {
  /** The moment that was asked for; null for the present. */
  readonly asOf: Position | null
  /** Milliseconds since the epoch: the clock's, or those of the last event that is known at the moment. */
  now(): number
  /** A view that the route has named. */
  views(name: string): Views
  /** Where its views stand: the same question asked as of this position has the same answer. */
  position(): Position
}

/** A past that is held for one request; to be released. */
export interface KnownPast extends Known {
  release(): void
}

/** Gives requests what they may read. */
export interface Knowledge {
  /** Cheap: made once for a route. */
  present(reads: readonly string[]): Known
  /**
   * The views as of a position that is not after the head. Rejects with `Unavailable` while they are built for longer than 10 s, and with
   * `Poisoned` where one cannot take an event.
   */
  at(position: Position, reads: readonly string[]): Promise<KnownPast>
  /** Where the log ended at an instant in milliseconds since the epoch. */
  positionAt(at: number): Promise<Position>
  /** What caused what, of all that is recorded up to a position. Rejects with `Unavailable` while events are being indexed. */
  trail(upTo: Position): Promise<TrailQueries>
  /** Where an event stands; undefined for an unknown id. Rejects with `Unavailable` while events are being indexed. */
  positionOf(eventId: string): Promise<Position | undefined>
}

export const createKnowledge = ({
  log,
  projections,
  past,
  trail,
  clock,
}: {
  readonly log: EventLog
  readonly projections: Projections
  readonly past: Past
  readonly trail: OnDemandView
  readonly clock: Clock
}): Knowledge => {
  const times = { views: projections.views(moments.name), log }
  const trailUpTo: Knowledge['trail'] = async (upTo) => trailQueries(await trail.upTo(upTo), upTo)
  return {
    present: (reads) => {
      const views = new Map(reads.map((name) => [name, projections.views(name)]))
      return {
        asOf: null,
        now: () => clock.now(),
        views: (name) => named(views.get(name), name),
        position: () => projections.position(reads),
      }
    },
    at: async (position, reads) => {
      const { views, release } = await past.at(position, reads)
      const now = await lastRecordedAt(times, position).catch((error: unknown) => {
        release()
        throw error
      })
      return { asOf: position, now: () => now, views, position: () => position, release }
    },
    positionAt: (at) => positionAt(times, at),
    positionOf: async (eventId) => {
      const { byId } = await trailUpTo(await log.head())
      return byId(eventId)?.position
    },
    trail: trailUpTo,
  }
}

const named = (views: Views | undefined, name: string): Views => {
  if (views === undefined) throw new Error(`the route does not say that it reads the view ${name}`)
  return views
}
