import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { z } from 'zod'
import { faces, projectionsOf } from '../../../src/app/faces.ts'
import { openKnowledge } from '../../../src/app/knowledge.ts'
import { createInProcessBus } from '../../../src/bus/in-process.ts'
import { createBlobFiles } from '../../../src/commands/blob-files.ts'
import type { Bridge } from '../../../src/commands/crawling/bridge.ts'
import { type CrawlingSettings, defaultCrawlingSettings } from '../../../src/commands/crawling/settings.ts'
import { createExecutor } from '../../../src/commands/execute.ts'
import { createForget } from '../../../src/commands/forget-secrets.ts'
import { createKinds } from '../../../src/commands/kind.ts'
import { createRetry } from '../../../src/commands/retry.ts'
import { createSchedules } from '../../../src/commands/schedules/schedules.ts'
import { openValue, sealValue } from '../../../src/commands/sealing.ts'
import { createPrepare, createSubmit } from '../../../src/commands/submit.ts'
import { createSubmitBatch } from '../../../src/commands/submit-batch.ts'
import { loadConfig } from '../../../src/config.ts'
import { createHealth } from '../../../src/health.ts'
import { createCrawlingFace } from '../../../src/http/crawling/face.ts'
import { defaultHttpSettings, type HttpPorts, type HttpSettings } from '../../../src/http/faces/http-ports.ts'
import { buildServer } from '../../../src/http/server/server.ts'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import type { JsonObject, JsonValue } from '../../../src/lib/json.ts'
import { createProjections } from '../../../src/projections/engine/projection-engine.ts'
import { openCredentials } from '../../../src/stores/credentials/credentials.ts'
import { openBlobs } from '../../../src/stores/embedded/blobs/blobs.ts'
import { openUploads } from '../../../src/stores/embedded/blobs/uploads.ts'
import { createLocalLeases } from '../../../src/stores/embedded/leases.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { openSecrets } from '../../../src/stores/embedded/secrets.ts'
import { createRelay } from '../../../src/workers/engine/relay.ts'
import { createRuntime } from '../../../src/workers/engine/runtime.ts'
import { createSupervisor } from '../../../src/workers/engine/supervisor.ts'
import { noBackoff, type Work, WorkFailed } from '../../../src/workers/work.ts'

export const json = { 'Content-Type': 'application/json' }

export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The parsed text; undefined where it is no JSON. */
  readonly body: unknown
}

/** The face with every real part behind it but the crawler: what answers its requests is the test's to hold and release. */
export interface FaceUnderTest {
  send(path: string, init?: RequestInit): Promise<Answered>
  /** POST of a value as JSON, or of a text as it stands. */
  post(path: string, body: JsonValue | { readonly raw: string | Uint8Array }, headers?: Record<string, string>): Promise<Answered>
  /** POST by a client that goes away as soon as `when` resolves. */
  leave(path: string, body: JsonValue, when: Promise<void>): Promise<void>
  /** Lets the answers of a uuid wait until `release`; `started` resolves when one does. */
  hold(uuid: string): { readonly started: Promise<void>; release(answer?: JsonObject): void }
  /** Resolves when a row of the answers' view of this uuid is in `state`. */
  untilAnswer(uuid: string, state: string, n?: number): Promise<void>
  readonly ports: HttpPorts
  readonly directory: string
  stop(): Promise<void>
}

export interface FaceOptions {
  readonly settings?: Partial<CrawlingSettings>
  readonly http?: Partial<HttpSettings>
  /** Where everything is kept for a second life; without it log and views are in memory. */
  readonly directory?: string
  readonly clock?: Clock
  /** What stands between the face and a Scrapy Cluster; started here. */
  readonly bridge?: (
    ports: Pick<HttpPorts, 'executor' | 'blobs' | 'clock' | 'logger'> & { readonly settings: CrawlingSettings },
  ) => Bridge
  /** False: a server that is still starting. */
  readonly ready?: boolean
}

interface Held {
  readonly started: () => void
  readonly released: Promise<JsonObject | undefined>
}

const kinds = ['crawling.crawl', 'crawling.info', 'crawling.stop', 'crawling.stats', 'crawling.zookeeper']

export const startFace = async ({
  settings = {},
  http = {},
  clock = systemClock,
  ...options
}: FaceOptions = {}): Promise<FaceUnderTest> => {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'intendant-crawling-'))
  const durable = options.directory !== undefined
  const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' })
  const log = await openEmbeddedLog({ path: durable ? join(directory, 'log.db') : ':memory:', clock })
  const projections = createProjections({
    log,
    directory: durable ? join(directory, 'views') : ':memory:',
    projections: projectionsOf(faces),
    clock,
    logger,
  })
  const executor = createExecutor({ log, clock })
  const leases = createLocalLeases()
  const held = new Map<string, Held>()
  const known = createKinds(kinds.map((kind) => answering(kind, held)))
  const engines = { log, leases, viewsDirectory: join(directory, 'views') }
  const {
    knowledge,
    operations: operationsOf,
    parts,
  } = await openKnowledge({ clock, logger, projections, engines, kinds: known }, loadConfig({}))
  const operations = operationsOf(knowledge.present(operationsOf.reads))
  const secrets = openSecrets({ log, masterKey: Buffer.alloc(32, 7) })
  const uploads = openUploads(join(directory, 'blobs', 'uploads'))
  const blobFiles = createBlobFiles({ executor, uploads })
  const submitPorts = { kinds: known, secrets, blobs: blobFiles }
  const submit = createSubmit({ executor, ...submitPorts })
  const forget = createForget({ executor, secrets })
  const bus = createInProcessBus()
  const health = createHealth({ log, projections, clock: systemClock })
  const ports: HttpPorts = {
    log,
    executor,
    submit,
    submitBatch: createSubmitBatch({ executor, prepare: createPrepare(submitPorts), blobs: blobFiles }),
    retry: createRetry({ executor, log, kinds: known, secrets, submit }),
    forget,
    schedules: createSchedules({ executor, kinds: known, secrets, submit, forget, blobs: blobFiles, clock }),
    seal: (subject, value) => sealValue(subject, value, secrets),
    unseal: (kept) => openValue(kept, secrets),
    projections,
    knowledge,
    operations: operationsOf,
    kinds: known,
    leases,
    blobs: openBlobs(join(directory, 'blobs')),
    uploads,
    blobFiles,
    credentials: openCredentials(join(directory, 'credentials.json')),
    health,
    clock,
    logger,
    settings: { ...defaultHttpSettings, ...http },
  }
  const crawling = { ...defaultCrawlingSettings, ...settings }
  const bridge = options.bridge?.({ executor, blobs: ports.blobs, clock, logger, settings: crawling })
  const face = createCrawlingFace({
    ports,
    settings: crawling,
    node: { id: '0123456789ab', startedAt: clock.monotonic() },
    bridge,
  })
  const server = buildServer(ports, [face])
  const relay = createRelay({ bus, projections, queries: operations, clock, logger })
  const runtime = createRuntime({ name: 'test', host: 'test', log, bus, executor, leases, kinds: known, secrets, clock, logger })
  const supervisor = createSupervisor({ bus, executor, projections, queries: operations, leases, clock, logger })
  await projections.start()
  await supervisor.sweep()
  relay.start()
  await runtime.start()
  await bridge?.start()
  if (options.ready !== false) health.started()

  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    relay.stop()
    await supervisor.stop()
    await runtime.stop(0)
    await bridge?.stop()
    await server.close()
    await bus.close()
    for (const { close } of parts) await close()
    await projections.stop()
    await log.close()
  }
  const stopOnce = (): Promise<void> => {
    stopped ??= stop()
    return stopped
  }
  onTestFinished(async () => {
    await stopOnce()
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true })
  })

  const send = async (path: string, init: RequestInit = {}): Promise<Answered> => {
    const response = await server.fetch(new Request(`http://127.0.0.1${path}`, init))
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: parsed(text) }
  }

  return {
    send,
    post: (path, body, headers = json) => {
      const isRaw = typeof body === 'object' && body !== null && 'raw' in body
      const content = isRaw ? (body.raw as string) : JSON.stringify(body)
      return send(path, { method: 'POST', headers, body: content })
    },
    leave: async (path, body, when) => {
      const client = new AbortController()
      const sent = send(path, { method: 'POST', headers: json, body: JSON.stringify(body), signal: client.signal })
      await when
      client.abort()
      await sent
    },
    hold: (uuid) => {
      const started = Promise.withResolvers<void>()
      const released = Promise.withResolvers<JsonObject | undefined>()
      held.set(uuid, { started: started.resolve, released: released.promise })
      return {
        started: started.promise,
        release: released.resolve,
      }
    },
    untilAnswer: (uuid, state, n = 1) =>
      new Promise((resolve) => {
        const look = (): boolean =>
          (projections
            .views('crawling-answers')
            .get<{ n: number }>(`SELECT count(*) AS n FROM answers WHERE uuid = ? AND state = ?`, JSON.stringify(uuid), state)
            ?.n ?? 0) >= n
        const detach = projections.onApplied(() => {
          if (!look()) return
          detach()
          resolve()
        })
        if (!look()) return
        detach()
        resolve()
      }),
    ports,
    directory,
    stop: stopOnce,
  }
}

/** Answers with the request itself, so that a test sees whose answer it got. `fail` in the spider's name makes it fail. */
const answering = (kind: string, held: ReadonlyMap<string, Held>): Work => ({
  kind,
  face: 'crawling',
  description: kind,
  submittable: false,
  input: z.looseObject({}),
  policy: { attempts: 1, timeoutMs: 60_000, backoff: noBackoff, whenLost: 'retry' },
  run: async (input, { signal }) => {
    const request = input as JsonObject & { readonly uuid?: string; readonly spiderid?: string }
    const waiting = held.get(request.uuid ?? '')
    waiting?.started()
    const given = waiting && (await Promise.race([waiting.released, aborted(signal)]))
    if (request.spiderid === 'fail') throw new WorkFailed('unanswerable', 'the spider fails', { retryable: false })
    return given ?? { ...request, server_time: 0 }
  },
})

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
