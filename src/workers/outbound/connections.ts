import type { Socket } from 'node:net'
import { LRUCache } from 'lru-cache'
import { type buildConnector, Client } from 'undici'
import { noProxies, type ProxyAddress, type ProxyFor } from '../../lib/proxy-settings.ts'
import type { Targets } from './address-guard.ts'
import { createHeadGuard } from './head-guard.ts'
import type { Header } from './headers.ts'
import { maxHeaderBytes } from './headers.ts'
import { directlyToProxy, proxyHeaders, throughTunnel } from './proxy-tunnel.ts'

/** A connection to an origin, for one request at a time. */
export interface Connection {
  readonly client: Client
  /** Bytes of a body came: what came so far were not too many headers. */
  progressed(): void
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

/** How a request for an address is written: a proxy of plain HTTP is given the whole address, and its own headers. */
export interface Addressed {
  readonly path: string
  readonly headers: readonly Header[]
}

export interface Connections {
  /** Rejects where the address must not be fetched through its proxy. */
  take(target: URL): (Connection & Addressed) | Promise<Connection & Addressed>
  /** Origins whose answers are no strict HTTP/1.1. */
  readonly careless: Pick<Set<string>, 'has'> & { add(origin: string): void }
  /** A connection of its own, with TLS where the address asks for it. Rejects as a fetch would. */
  open(target: URL, signal: AbortSignal): Promise<Addressed & { readonly socket: Socket }>
}

/** Most idle connections; beyond that the longest idle one is closed. */
const mostIdle = 64
/** How long an idle connection is kept, also where the other side says that it would keep it longer. */
const keepIdleMs = 2_000
const mostRemembered = 10_000

/**
 * Connections of crawls, kept for the next page of the same origin (a connection for each page: 150 µs of processor time). Every one is
 * opened by `targets`, so where it leads was checked, and that does not change while it is open. What has a proxy goes through it.
 */
export const createConnections = (targets: Targets, proxyFor: ProxyFor = noProxies): Connections => {
  /** In the order in which they came to rest. */
  const idle = new Set<Kept>()
  const byOrigin = new Map<string, Kept[]>()
  /** Origins that close connections without a word, between two pages or at the next request. */
  const hasty = new LRUCache<string, true>({ max: mostRemembered })
  const careless = new LRUCache<string, true>({ max: mostRemembered })

  const leaveIdle = (kept: Kept): void => {
    idle.delete(kept)
    const same = byOrigin.get(kept.origin)?.filter((other) => other !== kept) ?? []
    if (same.length > 0) byOrigin.set(kept.origin, same)
    else byOrigin.delete(kept.origin)
  }

  const open = (origin: string, to: string, connect: Connect): Connection => {
    let connecting: ReturnType<Connect>
    const guard = createHeadGuard()
    const client = new Client(to, {
      connect: (options, callback) => {
        connecting = connect(options, (...[error, socket]) => {
          if (error !== null) return callback(error, null)
          guard.watch(socket)
          callback(null, socket)
        })
      },
      keepAliveTimeout: keepIdleMs,
      keepAliveMaxTimeout: keepIdleMs,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: maxHeaderBytes,
    })
    let isUsed = false
    const kept: Kept = {
      client,
      origin,
      progressed: guard.forgive,
      wasClosed: () => {
        if (isUsed) hasty.set(origin, true)
      },
      release: () => {
        if (hasty.has(origin)) return kept.destroy()
        isUsed = true
        guard.forgive()
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

  const take = (origin: string, to: string, connect: Connect): Connection => {
    const kept = hasty.has(origin) ? undefined : byOrigin.get(origin)?.at(-1)
    if (kept === undefined) return open(origin, to, connect)
    leaveIdle(kept)
    return kept
  }

  const takeByProxy = async (target: URL, proxy: ProxyAddress): Promise<Connection & Addressed> => {
    await targets.checkForProxy(target.hostname)
    const isPlain = target.protocol === 'http:'
    // One origin's haste says nothing about the others behind the same proxy.
    const name = `${target.origin} by ${proxy.origin}`
    const connection = isPlain
      ? take(name, proxy.origin, directlyToProxy)
      : take(name, target.origin, throughTunnel(proxy, targets))
    return { ...connection, ...addressed(target, isPlain ? proxy : undefined) }
  }

  return {
    careless: { has: (origin) => careless.has(origin), add: (origin) => careless.set(origin, true) },
    take: (target) => {
      const proxy = proxyFor(target)
      if (proxy !== undefined) return takeByProxy(target, proxy)
      return { ...take(target.origin, target.origin, targets.connect), ...addressed(target) }
    },
    open: async (target, signal) => {
      const proxy = proxyFor(target)
      if (proxy !== undefined) await targets.checkForProxy(target.hostname)
      const isPlain = target.protocol === 'http:'
      const to = proxy !== undefined && isPlain ? new URL(proxy.origin) : target
      const connect = proxy === undefined ? targets.connect : isPlain ? directlyToProxy : throughTunnel(proxy, targets)
      const socket = await socketOf(connect, to, signal)
      return { socket, ...addressed(target, isPlain ? proxy : undefined) }
    },
  }
}

type Connect = Targets['connect']

const addressed = (target: URL, proxy?: ProxyAddress): Addressed => {
  const path = target.pathname + target.search
  if (proxy === undefined) return { path, headers: noHeaders }
  return { path: target.origin + path, headers: Object.entries({ Host: target.host, ...proxyHeaders(proxy) }) }
}

const noHeaders: readonly Header[] = []

const socketOf = (connect: Connect, { hostname, host, protocol, port }: URL, signal: AbortSignal): Promise<Socket> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const onAbort = (): void => {
      reject(signal.reason)
      connecting?.destroy()
    }
    const options = { hostname, host, protocol, port } as buildConnector.Options
    const connecting = connect(options, (...[error, socket]) => {
      signal.removeEventListener('abort', onAbort)
      if (error !== null) return reject(error)
      if (signal.aborted) socket.destroy()
      else resolve(socket as Socket)
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
