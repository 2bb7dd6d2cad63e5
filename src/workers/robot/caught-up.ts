import type { Clock } from '../../lib/clock.ts'
import type { Projections } from '../../projections/projection.ts'
import type { EventLog, Position } from '../../stores/event-log.ts'

const views = ['robot-services', 'robot-templates']
const withinMs = 1_000
const pauseMs = 50

interface Ports {
  readonly projections: Pick<Projections, 'reached'>
  readonly clock: Clock
}

/** Resolves when the views of this process hold a position. Rejects with the reason of the signal. */
export const reachedBy = async (
  { projections, clock }: Ports,
  {
    position,
    signal,
    names = views,
  }: { readonly position: Position; readonly signal: AbortSignal; readonly names?: readonly string[] },
): Promise<void> => {
  while (!(await projections.reached(position, { timeoutMs: withinMs, names }))) await clock.sleep(pauseMs, signal)
}

/** The same for everything that has happened up to now. */
export const caughtUp = async (
  { log, ...ports }: Ports & { readonly log: Pick<EventLog, 'head'> },
  signal: AbortSignal,
  names: readonly string[] = views,
): Promise<void> => reachedBy(ports, { position: await log.head(), signal, names })
