import type { Clock } from '../../../lib/clock.ts'
import type { Made, Office } from './leader-election.ts'

/** How a term ended: the office was lost, or `lead` returned and the office was left. */
export type TermEnd = 'lost' | 'left'

/** Leaving takes no longer at a shutdown; an office that was not left is free when the term is over. */
const leaveWithinMs = 2_000

/**
 * Leads while the office is held and renewed. The holder steps down by its own clock, counted from before the sending of
 * its last renewal, which is before anybody else may take over. Rejects with what `lead` throws.
 */
export const holdOffice = async ({
  office,
  candidate,
  host,
  taken,
  termMs,
  renewMs,
  clock,
  signal,
  lead,
}: {
  readonly office: Office
  readonly candidate: string
  readonly host: string
  readonly taken: Made
  readonly termMs: number
  readonly renewMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly lead: (signal: AbortSignal) => Promise<void>
}): Promise<TermEnd> => {
  const lost = new AbortController()
  const over = new AbortController()
  let held = taken
  let cancelStepDown = (): void => {}

  const believeUntil = (moment: number): void => {
    cancelStepDown()
    cancelStepDown = clock.after(moment - clock.monotonic(), () => lost.abort())
  }

  const renew = async (): Promise<void> => {
    const ending = AbortSignal.any([lost.signal, over.signal])
    while (!ending.aborted) {
      await office.changed(Math.max(0, held.sentAt + renewMs - clock.monotonic()), ending)
      if (ending.aborted) return
      // Somebody else has taken it: this node believed longer than it should have, or was frozen.
      if (office.revision() > held.revision) return lost.abort()
      if (clock.monotonic() < held.sentAt + renewMs) continue
      // Not ended by `over`: an outcome that is unknown would leave the office unreleased.
      const withinMs = held.sentAt + termMs - clock.monotonic()
      const renewed = await office.append(
        { type: 'OfficeRenewed', data: { candidate, host, termMs } },
        { after: held.revision, withinMs, signal: lost.signal },
      )
      if (renewed === undefined) return lost.abort()
      held = renewed
      if (!lost.signal.aborted) believeUntil(held.sentAt + termMs)
    }
  }

  believeUntil(held.sentAt + termMs)
  const renewing = renew()
  let fault: { readonly thrown: unknown } | undefined
  try {
    // A frozen process may have won an office whose term is over already.
    if (clock.monotonic() < held.sentAt + termMs) await lead(AbortSignal.any([signal, lost.signal]))
    else lost.abort()
  } catch (thrown) {
    fault = { thrown }
  }
  over.abort()
  // A renewal under way must not be overtaken, but who leaves does not wait for a log that is out of reach.
  if (!lost.signal.aborted) believeUntil(Math.min(held.sentAt + termMs, clock.monotonic() + leaveWithinMs))
  await renewing
  cancelStepDown()
  if (!lost.signal.aborted)
    await office.append({ type: 'OfficeLeft', data: { candidate } }, { after: held.revision, withinMs: leaveWithinMs })
  if (fault !== undefined) throw fault.thrown
  return lost.signal.aborted ? 'lost' : 'left'
}
