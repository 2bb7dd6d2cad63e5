import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll } from 'vitest'
import type { FaceModule } from '../../src/app/face-module.ts'
import { faces } from '../../src/app/faces.ts'
import type { App, ServerOverrides } from '../../src/app/server.ts'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import type { Work } from '../../src/workers/work.ts'
import { faceOfWorks } from '../face-of-works.ts'

/** An answer with its body already read. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  readonly json: any
}

export interface Ask {
  readonly body?: unknown
  /** Sent as it is, without a content type of its own. */
  readonly raw?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

export interface TestApp {
  readonly app: App
  readonly url: string
  readonly dataDir: string
  ask(line: string, options?: Ask): Promise<Answer>
  /** Submits a probe and answers its resource. */
  probe(
    input?: Readonly<Record<string, unknown>>,
    more?: Readonly<Record<string, unknown>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>
  stop(): Promise<void>
}

export const startApp = async (
  env: Readonly<Record<string, string>> = {},
  {
    dataDir = mkdtempSync(join(tmpdir(), 'intendant-http-')),
    works = [],
    further = [],
    modules = faces,
    ...overrides
  }: ServerOverrides & {
    readonly dataDir?: string
    readonly works?: readonly Work[]
    /** Faces beside those of the program. */
    readonly further?: readonly FaceModule[]
    /** In place of those of the program. */
    readonly modules?: readonly FaceModule[]
  } = {},
): Promise<TestApp> => {
  const config = loadConfig(
    { HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir, ...env },
    { faces: [...modules, faceOfWorks(...works), ...further] },
  )
  const app = await buildApp(config, { logger: pino({ level: 'silent' }), ...overrides })
  await app.start()
  const url = app.url()
  const ask = async (line: string, { body, raw, headers = {} }: Ask = {}): Promise<Answer> => {
    const [method = 'GET', path = '/'] = line.split(' ')
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body))
    const type: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/json' }
    const response = await fetch(url + path, {
      method,
      headers: { ...type, ...headers },
      ...(sent === undefined ? {} : { body: sent as string }),
    })
    const text = await response.text()
    const isJson = /[/+]json$/.test(response.headers.get('content-type') ?? '')
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson && text !== '' ? JSON.parse(text) : undefined,
    }
  }
  return {
    app,
    url,
    dataDir,
    ask,
    probe: (input = {}, more = {}, headers = {}) =>
      ask('POST /v1/operations', { body: { kind: 'probe', input, ...more }, headers }),
    stop: async () => {
      await app.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** One app for all tests of a file. */
export const useApp = (env: Readonly<Record<string, string>> = {}): { readonly it: TestApp } => {
  let started: TestApp | undefined
  beforeAll(async () => {
    started = await startApp(env)
  })
  afterAll(() => started?.stop())
  return {
    get it() {
      if (started === undefined) throw new Error('the app is not started')
      return started
    },
  }
}

/** The members of a problem that tests look at. */
export const problem = ({ status, json, headers }: Answer) => ({
  status,
  type: json?.type?.replace('urn:intendant:problem:', ''),
  media: headers.get('content-type'),
})

export const isProblem = (slug: string, status: number) => ({ status, type: slug, media: 'application/problem+json' })
