import type { Clock } from '../../../lib/clock.ts'
import type { Projections } from '../../../projections/projection.ts'
import type { EventLog } from '../../../stores/event-log.ts'

const views = ['robot-services', 'robot-templates']
const withinMs = 1_000
const pauseMs = 50

/** Resolves when the views of this process hold everything that has happened up to now. Rejects with the reason of the signal. */
export const caughtUp = async (
  { log, projections, clock }: { readonly log: EventLog; readonly projections: Projections; readonly clock: Clock },
  signal: AbortSignal,
  names: readonly string[] = views,
): Promise<void> => {
  const head = await log.head()
  while (!(await projections.reached(head, { timeoutMs: withinMs, names }))) await clock.sleep(pauseMs, signal)
}
