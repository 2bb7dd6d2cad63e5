import { Client } from 'undici'
import type { Targets } from './targets.ts'

/** A connection to an origin, for one request at a time. */
export interface Connection {
  readonly client: Client
  /** Whether a request was answered over it before: the other side may have closed it meanwhile. */
  readonly isUsed: boolean
  /** The response is there, whole: another request may follow. */
  release(): void
  /** Ends it and whatever is on its way. */
  destroy(): void
}

export interface Connections {
  take(origin: string): Connection
  /** The same, but never one that was used before. */
  open(origin: string): Connection
}

/** Connections that nobody uses at the moment; beyond it the one that has rested longest is closed. */
const mostIdle = 64
/** How long an idle connection is kept, also where the other side says that it would keep it longer. */
const keepIdleMs = 4_000

/**
 * Connections of crawls, kept for the next page of the same origin (a connection for each page: 150 µs of processor time). Every one is
 * opened by `targets`, so where it leads was checked, and that does not change while it is open.
 */
export const createConnections = (targets: Targets): Connections => {
  /** In the order in which they came to rest. */
  const idle = new Set<Kept>()
  const byOrigin = new Map<string, Kept[]>()

  interface Kept extends Connection {
    isUsed: boolean
    readonly origin: string
  }

  const leaveIdle = (kept: Kept): void => {
    idle.delete(kept)
    const same = byOrigin.get(kept.origin)?.filter((other) => other !== kept) ?? []
    if (same.length > 0) byOrigin.set(kept.origin, same)
    else byOrigin.delete(kept.origin)
  }

  const open = (origin: string): Connection => {
    let connecting: ReturnType<Targets['connect']>
    const client = new Client(origin, {
      connect: (options, callback) => {
        connecting = targets.connect(options, callback)
      },
      keepAliveTimeout: keepIdleMs,
      keepAliveMaxTimeout: keepIdleMs,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    const kept: Kept = {
      client,
      origin,
      isUsed: false,
      release: () => {
        kept.isUsed = true
        idle.add(kept)
        const same = byOrigin.get(origin)
        if (same === undefined) byOrigin.set(origin, [kept])
        else same.push(kept)
        if (idle.size <= mostIdle) return
        const [longest] = idle
        if (longest === undefined) return
        leaveIdle(longest)
        longest.destroy()
      },
      destroy: () => {
        client.destroy().catch(() => {})
        // The client leaves a connection alone that is not there yet.
        connecting?.destroy()
      },
    }
    return kept
  }

  return {
    open,
    take: (origin) => {
      const kept = byOrigin.get(origin)?.at(-1)
      if (kept === undefined) return open(origin)
      leaveIdle(kept)
      return kept
    },
  }
}
