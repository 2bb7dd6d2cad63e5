import { LRUCache } from 'lru-cache'
import { Client } from 'undici'
import type { Targets } from './targets.ts'

/** A connection to an origin, for one request at a time. */
export interface Connection {
  readonly client: Client
  /** The response is there, whole: another request may follow. */
  release(): void
  /** It ended before an answer. Where it had been kept, its origin does not like that: it gets a new connection for each page from now on. */
  wasClosed(): void
  /** Ends it and whatever is on its way. */
  destroy(): void
}

interface Kept extends Connection {
  readonly origin: string
}

export interface Connections {
  take(origin: string): Connection
}

/** Connections that nobody uses at the moment; beyond it the one that has rested longest is closed. */
const mostIdle = 64
/** How long an idle connection is kept, also where the other side says that it would keep it longer. */
const keepIdleMs = 2_000
const mostRemembered = 10_000

/**
 * Connections of crawls, kept for the next page of the same origin (a connection for each page: 150 µs of processor time). Every one is
 * opened by `targets`, so where it leads was checked, and that does not change while it is open.
 */
export const createConnections = (targets: Targets): Connections => {
  /** In the order in which they came to rest. */
  const idle = new Set<Kept>()
  const byOrigin = new Map<string, Kept[]>()
  /** Origins that close connections without a word, between two pages or at the next request. */
  const hasty = new LRUCache<string, true>({ max: mostRemembered })

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
    let isUsed = false
    const kept: Kept = {
      client,
      origin,
      wasClosed: () => {
        if (isUsed) hasty.set(origin, true)
      },
      release: () => {
        if (hasty.has(origin)) return kept.destroy()
        isUsed = true
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
    take: (origin) => {
      const kept = hasty.has(origin) ? undefined : byOrigin.get(origin)?.at(-1)
      if (kept === undefined) return open(origin)
      leaveIdle(kept)
      return kept
    },
  }
}
