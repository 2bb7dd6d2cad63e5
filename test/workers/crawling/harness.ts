import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { onTestFinished } from 'vitest'
import { createInProcessBus } from '../../../src/bus/in-process.ts'
import { type CrawlingSettings, defaultCrawlingSettings } from '../../../src/commands/crawling/settings.ts'
import { type CommandContext, createExecutor } from '../../../src/commands/execute.ts'
import { createKinds } from '../../../src/commands/kind.ts'
import { operation } from '../../../src/commands/operation.ts'
import { createSubmit } from '../../../src/commands/submit.ts'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import type { JsonObject, JsonValue } from '../../../src/lib/json.ts'
import { counterQueries, crawlingCounters } from '../../../src/projections/crawling/counters.ts'
import { crawlQueries } from '../../../src/projections/crawling/crawl-queries.ts'
import { crawlingItems, type ItemRow, itemQueries } from '../../../src/projections/crawling/items.ts'
import { crawlingPages, crawlKind } from '../../../src/projections/crawling/pages.ts'
import { queueQueries } from '../../../src/projections/crawling/queue-queries.ts'
import { createCrawlHolds } from '../../../src/projections/crawling/why-a-crawl-waits.ts'
import { createProjections } from '../../../src/projections/engine/projection-engine.ts'
import type { OperationResource } from '../../../src/projections/operations/operation-resource.ts'
import { operationQueries, operations } from '../../../src/projections/operations/operations.ts'
import { openBlobs } from '../../../src/stores/embedded/blobs/blobs.ts'
import { createLocalLeases } from '../../../src/stores/embedded/leases.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { openSecrets } from '../../../src/stores/embedded/secrets.ts'
import type { EventLog, RecordedEvent } from '../../../src/stores/event-log.ts'
import type { Leases } from '../../../src/stores/leases.ts'
import { crawlingWorks } from '../../../src/workers/crawling/crawling-kinds.ts'
import { createHeartbeat } from '../../../src/workers/crawling/topics/heartbeat.ts'
import { createRelay } from '../../../src/workers/engine/relay.ts'
import { createRuntime } from '../../../src/workers/engine/runtime.ts'
import { createSupervisor } from '../../../src/workers/engine/supervisor.ts'

const logger: Logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' })

/** A folder that is gone after the test. */
export const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'intendant-crawl-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** What a page of a test site answers: a body of HTML, or the whole answer. */
export type PageAnswer = string | ((request: IncomingMessage, response: ServerResponse) => void)

/** A site on loopback; unknown paths are 404. `requests` are the paths in the order in which they came. */
export const openSite = async (pages: Readonly<Record<string, PageAnswer>> | RequestListener) => {
  const requests: string[] = []
  const headers: IncomingMessage['headers'][] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    headers.push(request.headers)
    if (typeof pages === 'function') return pages(request, response)
    const answer = pages[request.url ?? '']
    if (answer === undefined) return response.writeHead(404, { 'content-type': 'text/html' }).end('<p>nothing here</p>')
    if (typeof answer === 'function') return answer(request, response)
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { url: (path: string) => `http://127.0.0.1:${port}${path}`, port, requests, headers, server }
}

export const links = (...paths: readonly string[]): string => paths.map((path) => `<a href="${path}">${path}</a>`).join('\n')

/** As fast as the machine goes: throttles have tests of their own. */
export const unthrottled: Partial<CrawlingSettings> = { hits: 1_000_000, windowS: 1, moderated: false }

export interface CrawlingOptions {
  readonly settings?: Partial<CrawlingSettings>
  /** Time for log and spider; leases live by the machine's. */
  readonly clock?: Clock
  /** What lasts from one process to the next. */
  readonly disk?: { readonly log: EventLog; readonly directory: string }
  readonly isStarted?: boolean
  /** One of several processes over one log: shared leases, a name of its own, and whether it rings bells and sweeps. */
  readonly among?: { readonly leases: Leases; readonly id: string; readonly leaseMs?: number; readonly leads: boolean }
}

/** Everything but HTTP: a process that crawls. */
export const openCrawling = async ({ clock = systemClock, isStarted = true, ...options }: CrawlingOptions = {}) => {
  const settings = { ...defaultCrawlingSettings, ...unthrottled, ...options.settings }
  const directory = options.disk?.directory ?? folder()
  const log = options.disk?.log ?? (await openEmbeddedLog({ path: ':memory:', clock }))
  const all = [operations, crawlingPages, crawlingItems, crawlingCounters]
  const projections = createProjections({ log, directory: ':memory:', projections: all, clock, logger })
  await projections.start()
  const leases = options.among?.leases ?? createLocalLeases()
  const { id = '0123456789ab', leaseMs = 8_000, leads = true } = options.among ?? {}
  const holds = createCrawlHolds({ views: projections.views('crawling-pages'), settings, now: clock.now })
  const queries = operationQueries({
    views: projections.views('operations'),
    leases,
    clock: systemClock,
    holds: { [crawlKind]: holds.ofOperation },
  })
  const executor = createExecutor({ log, clock })
  const bus = createInProcessBus()
  const secrets = openSecrets({ log, masterKey: Buffer.alloc(32, 7) })
  const blobs = openBlobs(join(directory, 'blobs'))
  const stopping = new AbortController()
  const works = crawlingWorks({
    log,
    executor,
    projections,
    blobs,
    leases,
    settings,
    clock,
    logger,
    node: { id, host: 'crawler-1' },
    signal: stopping.signal,
  })
  const kinds = createKinds(works)
  const relay = createRelay({ bus, projections, queries, clock, logger })
  const supervisor = createSupervisor({ bus, executor, projections, queries, leases, clock: systemClock, logger })
  const submit = createSubmit({ executor, kinds, secrets, blobs: { has: async () => false, using: (work) => work() } })
  const workers = { bus, executor, leases, kinds, secrets, clock: systemClock, logger }
  const runtime = createRuntime({ ...workers, name: 'worker', host: 'crawler-1', log, leaseMs })
  const heartbeat = createHeartbeat({ leases, clock: systemClock, logger, node: { id, host: 'crawler-1' } })
  let isOpen = true

  const stop = async (graceMs = 400): Promise<void> => {
    if (!isOpen) return
    isOpen = false
    relay.stop()
    await supervisor.stop()
    stopping.abort()
    await runtime.stop(graceMs)
    await heartbeat.stop()
    await projections.stop()
    if (options.disk === undefined) await log.close()
  }
  onTestFinished(() => stop())

  const start = async (): Promise<void> => {
    if (leads) await supervisor.sweep()
    if (leads) relay.start()
    await runtime.start()
    await heartbeat.start()
    if (leads) supervisor.start()
  }
  if (isStarted) await start()

  /** Resolves as soon as the views show what is asked for. */
  const until = <Found>(find: () => Found | undefined | false): Promise<Found> =>
    new Promise((resolve, reject) => {
      const end = projections.onApplied(() => look())
      const look = (): void => {
        try {
          const found = find()
          if (found === undefined || found === false) return
          end()
          resolve(found as Found)
        } catch (error) {
          reject(error)
        }
      }
      look()
    })

  const context = (): CommandContext => ({
    commandId: newId(),
    correlationId: newId(),
    actor: { principal: 'tester', face: 'crawling', address: '127.0.0.1' },
  })
  const request = async (kind: string, input: JsonValue): Promise<string> => {
    const submitted = await submit({ kind, input }, context(), { internal: true })
    if (submitted.refused) throw new Error(JSON.stringify(submitted.refused))
    return submitted.operationId
  }
  const inState = (id: string, ...states: readonly OperationResource['state'][]): Promise<OperationResource> =>
    until(() => {
      const shown = queries.byId(id)
      return shown !== undefined && states.includes(shown.state) && shown
    })
  const ended = (id: string): Promise<OperationResource> => inState(id, 'succeeded', 'failed', 'cancelled', 'timed-out')
  const crawls = crawlQueries(projections.views('crawling-pages'))
  const items = itemQueries(projections.views('crawling-items'))

  return {
    log,
    projections,
    executor,
    leases,
    blobs,
    clock,
    settings,
    queries,
    holds,
    crawls,
    items,
    counters: counterQueries(projections.views('crawling-counters')),
    queue: queueQueries(projections.views('crawling-pages')),
    until,
    inState,
    ended,
    request,
    stop,
    start,
    /** Feeds a crawl; the operation's id. */
    feed: (crawl: JsonObject): Promise<string> => request('crawling.crawl', { appid: 'test', crawlid: 'one', ...crawl }),
    /** Asks and waits for the answer. */
    ask: async (kind: string, input: JsonObject): Promise<JsonObject> => {
      const done = await ended(await request(kind, { uuid: 'u-1', appid: 'test', ...input }))
      if (done.state !== 'succeeded') throw new Error(JSON.stringify(done.error))
      return done.result as JsonObject
    },
    cancel: (id: string, reason: string | null = null) =>
      executor.execute(operation, { type: 'CancelOperation', id, reason }, context()),
    /** The crawled addresses without their origin, in the order of their fetching. */
    crawled: (): string[] => items.items({ limit: 1000 }).items.map(({ url }) => url.replace(/^https?:\/\/[^/]+/, '')),
    /** An item as it is kept: its document and its body as text. */
    item: async (row: ItemRow): Promise<JsonObject & { body: string }> => {
      const document = JSON.parse(String(await blobs.get(row.item))) as JsonObject
      return { ...document, body: String(await blobs.get(row.body)) }
    },
    events: async (stream: string): Promise<RecordedEvent[]> => {
      const events: RecordedEvent[] = []
      for await (const event of log.readStream(stream)) events.push(event)
      return events
    },
    allEvents: async (): Promise<RecordedEvent[]> => {
      const events: RecordedEvent[] = []
      for await (const event of log.readAll()) events.push(event)
      return events
    },
  }
}
