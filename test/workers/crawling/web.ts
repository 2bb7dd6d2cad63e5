import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { parseInstant } from '../../../src/lib/clock.ts'

interface Recorded {
  readonly type: string
  readonly stream: string
  readonly recordedAt: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface Visit {
  readonly host: string
  readonly path: string
  readonly at: number
}

/** One site under every address of the loopback network: each is a domain of its own. */
export const openWeb = async (page: (visit: Visit) => string, { holds }: { readonly holds?: (visit: Visit) => boolean } = {}) => {
  const visits: Visit[] = []
  const server = createServer((request, response) => {
    const visit = { host: String(request.headers.host).split(':')[0] ?? '', path: request.url ?? '', at: performance.now() }
    visits.push(visit)
    server.emit('visit')
    if (!holds?.(visit)) response.writeHead(200, { 'content-type': 'text/html' }).end(page(visit))
  })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  const { port } = server.address() as AddressInfo
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const untilVisits = async (count: number): Promise<void> => {
    while (visits.length < count) await once(server, 'visit')
  }
  return { visits, untilVisits, url: (host: string, path: string) => `http://${host}:${port}${path}` }
}

const outcomes = new Set(['PageFetched', 'PageFetchFailed', 'PageRetryScheduled', 'PageRedirected', 'PageDropped'])

/** The starts that were followed by a fetch. */
export const starts = (events: readonly Recorded[]) => {
  const putOff = new Set(
    events.filter(({ type }) => type === 'PageFetchPutOff').map(({ stream, data }) => `${stream}/${data.attempt}`),
  )
  const all = events.filter(({ type }) => type === 'PageFetchStarted')
  // One that was killed may have been about to put its start off: without an outcome nobody knows that it was fetched.
  const ended = new Set(events.filter(({ type }) => outcomes.has(type)).map(({ stream, data }) => `${stream}/${data.attempt}`))
  const kept = all.filter(({ stream, data }) => ended.has(`${stream}/${data.attempt}`))
  const within = (domain: string) => kept.filter(({ data }) => data.domain === domain)
  return {
    putOff: putOff.size,
    workers: new Set(kept.map(({ data }) => data.worker)),
    ofDomain: (domain: string) => within(domain).map(({ recordedAt }) => parseInstant(recordedAt)),
    /** Who made each start, in the order of the log. */
    workersOf: (domain: string) => within(domain).map(({ data }) => data.worker),
  }
}

/** The shortest time in which one more start than `hits` happened. */
export const shortest = (times: readonly number[], hits: number): number =>
  times.slice(hits).reduce((least, at, index) => Math.min(least, at - (times[index] ?? 0)), Number.POSITIVE_INFINITY)

export const anchors = (urls: readonly string[]): string => urls.map((url) => `<a href="${url}">x</a>`).join('')
