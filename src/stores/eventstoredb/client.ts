import { type BaseOptions, EventStoreDBClient } from '@eventstore/db-client'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { Unacceptable, type Unavailable } from '../../lib/errors.ts'
import { within } from '../../lib/time-limit.ts'
import { parseConnectionString } from './connection-string.ts'
import { type Asked, faultOf, isFinal, unavailable } from './faults.ts'
import { obtainIdentity } from './log-identity.ts'

export interface EventStoreDbConnection extends Asked {
  readonly client: EventStoreDBClient
  /** One UUID per log, kept in the log: a view made from another log must never be used with this one. */
  readonly identity: string
  /**
   * To be given with every append, read and delete. The leader answers, so that nobody reads less than was acknowledged. And it keeps
   * the client's own appends off its batch path: naming credentials does that (without TLS they are not sent). Why: append.ts.
   */
  readonly callOptions: BaseOptions
  close(): Promise<void>
}

export interface ConnectionOptions {
  /** A connection string `esdb://…`; never logged. */
  readonly url: string
  readonly appendTimeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
  /** How long a server that does not answer is waited for. */
  readonly startWithinMs?: number
}

const startWithinMsDefault = 60_000
const retryMs = 500
const tellEveryMs = 5_000
const disposeWithinMs = 1_000

/**
 * The one client of the process. Waits a minute for a server that is still starting, because engines often start together, and says so
 * in the log. Throws `Unacceptable` for a connection string that cannot be understood, `Unavailable` with the reason when the server
 * is not there by then, or at once when it refuses the credentials.
 */
export const connectEventStoreDb = async ({
  url,
  appendTimeoutMs,
  clock,
  logger,
  startWithinMs = startWithinMsDefault,
}: ConnectionOptions): Promise<EventStoreDbConnection> => {
  const { url: known, hosts: server, tls, credentials, caller } = parseConnectionString(url)
  const client = clientOf(known)
  const callOptions: BaseOptions = {
    requiresLeader: true,
    ...(credentials === undefined && tls ? {} : { credentials: credentials ?? { username: 'none', password: 'none' } }),
  }
  const giveUpAt = clock.monotonic() + startWithinMs
  let toldAt = Number.NEGATIVE_INFINITY
  for (;;) {
    let fault: Unavailable
    let right = 'read and append to streams of its own'
    try {
      const options = { ...callOptions, deadline: appendTimeoutMs }
      const identity = await within({ clock, ms: appendTimeoutMs * 2 }, obtainIdentity({ client, callOptions: options }))
      right = 'read $all'
      await within({ clock, ms: appendTimeoutMs * 2 }, readNewest(client, options))
      return { client, server, caller, identity, callOptions, close: () => dispose(client, clock) }
    } catch (error) {
      fault = unavailable({ server, caller }, 'cannot be used', error, right)
      if (isFinal(error) || clock.monotonic() >= giveUpAt || faultOf(error) === 'wrong-expected-version') {
        await dispose(client, clock)
        throw fault
      }
    }
    if (clock.monotonic() - toldAt >= tellEveryMs) {
      toldAt = clock.monotonic()
      logger.warn({ server, reason: fault.message, givesUpInMs: giveUpAt - toldAt }, 'waiting for EventStoreDB')
    }
    await clock.sleep(retryMs)
  }
}

/** Every view reads `$all`, and not every user may: better told now than by each of them. */
const readNewest = async (client: EventStoreDBClient, options: BaseOptions): Promise<void> => {
  // To its end, though it is one event: a call that is left early stays open in the client.
  for await (const _ of client.readAll({ ...options, direction: 'backwards', fromPosition: 'end', maxCount: 1 }));
}

/** Ends all calls. The client waits for each to end, which one that broke at the wrong moment never does. */
const dispose = async (client: EventStoreDBClient, clock: Clock): Promise<void> => {
  const done = new AbortController()
  // This wait keeps the process alive, or it would end here by itself, with nothing left to do.
  const late = clock.sleep(disposeWithinMs, done.signal).catch(() => undefined)
  await Promise.race([client.dispose().catch(() => undefined), late])
  done.abort()
}

const clientOf = (url: string): EventStoreDBClient => {
  try {
    return EventStoreDBClient.connectionString(url)
  } catch (error) {
    // The client's own words can hold a part of the string; those about certificate files do not.
    const text = error instanceof Error && /certificate|userCertFile/.test(error.message) ? error.message : 'it cannot be parsed'
    throw new Unacceptable(`the connection string of EventStoreDB: ${text}`)
  }
}
