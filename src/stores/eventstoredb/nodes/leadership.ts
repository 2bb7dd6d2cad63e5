import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import { newId } from '../../../lib/ids.ts'
import type { EventLog } from '../../event-log.ts'
import type { Leadership } from '../../leadership.ts'
import { createOffice, type Office } from './leader-election.ts'
import { holdOffice } from './leader-term.ts'
import { keepShort, type LeaseConnection } from './lease-stream.ts'

export interface EventStoreDbLeadershipOptions {
  readonly connection: LeaseConnection
  readonly log: Pick<EventLog, 'append' | 'readStream'>
  readonly clock: Clock
  readonly logger: Logger
  /** Shown to people who read the stream. */
  readonly host: string
  /** How long the holder believes to hold the office without a renewal. Default 6000. */
  readonly termMs?: number
  /** Default 2500. */
  readonly renewMs?: number
}

/** Two renewals fit into a term. Each is an event on the server's disk: 24 a minute. */
const defaultTermMs = 6_000
const defaultRenewMs = 2_500
/**
 * So much longer than the holder itself the others believe in it. Both count from moments of their own: the holder from before
 * its renewal was sent, the others from its reception; the margin is for timers that fire late.
 */
const marginMs = 1_000
const retryMs = 500

/**
 * Offices by compare-and-append: one stream per office, and whoever appends at the revision that it expected holds it. Who
 * knows an outdated revision (cut off, frozen) therefore takes nothing. A dead holder is replaced after its term and the margin.
 */
export const createEventStoreDbLeadership = (options: EventStoreDbLeadershipOptions): Leadership => {
  const { connection, log, clock, logger, host, termMs = defaultTermMs, renewMs = defaultRenewMs } = options

  /** Waits until the office seems free and takes it; undefined when that did not work out, or the campaign is over. */
  const win = async (office: Office, candidate: string, signal: AbortSignal) => {
    const free = office.freeAt(marginMs)
    if (free > clock.monotonic()) {
      await office.changed(free - clock.monotonic(), signal)
      return undefined
    }
    const event = { type: 'OfficeTaken', data: { candidate, host, termMs } } as const
    return office.append(event, { after: office.revision(), withinMs: termMs, signal })
  }

  return {
    campaign: async ({ office: name, signal, lead }) => {
      const candidate = newId()
      const ending = new AbortController()
      const stream = `lease-office-${name}`
      const office = createOffice({ connection, log, clock, logger, stream, signal: ending.signal })
      try {
        void keepShort({ connection, stream, logger })
        while (!signal.aborted) {
          try {
            await office.ready(signal)
          } catch (error) {
            if (signal.aborted) return
            logger.warn({ err: error, office: name }, 'the office cannot be read')
            await clock.sleep(retryMs, signal).catch(() => undefined)
            continue
          }
          const taken = await win(office, candidate, signal)
          if (taken === undefined) continue
          logger.info({ office: name, host }, 'this node holds the office')
          const end = await holdOffice({ office, candidate, host, taken, termMs, renewMs, clock, signal, lead })
          if (end !== 'lost') return
          logger.warn({ office: name }, 'the office was lost: it was not renewed in time')
        }
      } finally {
        ending.abort()
      }
    },
  }
}
