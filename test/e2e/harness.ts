import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { warningsIn } from '../warnings.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const main = join(root, 'bin/intendant.js')

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A real server process with a data directory of its own, or one that an earlier process left behind. */
export interface ServerProcess {
  readonly url: string
  readonly pid: number
  readonly dataDir: string
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<Ended>
  /** Everything that it has written to stdout and stderr so far. */
  output(): string
}

export interface StartOptions {
  readonly dataDir?: string
  readonly env?: Readonly<Record<string, string>>
  /** The program, relative to the project. Default: the one that users start. */
  readonly program?: string
  /** Further words of the command line. */
  readonly words?: readonly string[]
  /** What `/readyz` answers then. Default 200. */
  readonly readiness?: number
}

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

/** A directory that goes with the test that asked for it. */
export const temporaryDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'intendant-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const environment = (extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  ...extra,
})

/** Runs the program as users do and keeps hold of it; nothing outlives the test. */
const spawnMain = (words: readonly string[], env: Readonly<Record<string, string>>, program = main): ChildProcess => {
  const child = spawn(process.execPath, [program, ...words], {
    cwd: root,
    env: environment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  alive.add(child)
  child.on('exit', () => alive.delete(child))
  return child
}

/** Starts a server on a free port and resolves when `/readyz` says so. Rejects with its output when it ends before that. */
export const startServer = async ({
  dataDir = temporaryDirectory(),
  env = {},
  program,
  words = [],
  readiness = 200,
}: StartOptions = {}): Promise<ServerProcess> => {
  const settings = { HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'warn', ...env }
  const child = spawnMain(['serve', '--json', ...words], settings, program)
  let output = ''
  const ended = new Promise<Ended>((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })))
  child.stderr?.on('data', (chunk) => {
    output += chunk
  })
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
    expect(warningsIn(output)).toEqual([])
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  lines.on('line', (line) => {
    output += `${line}\n`
  })
  const first = (await Promise.race([once(lines, 'line'), ended])) as [string] | Ended
  if (!Array.isArray(first))
    throw new Error(`the server ended with ${first.code ?? first.signal} before it was ready:\n${output}`)
  const { url } = JSON.parse(first[0]) as { url: string }
  const ready = await fetch(`${url}/readyz`)
  if (ready.status !== readiness) throw new Error(`/readyz answered ${ready.status}: ${await ready.text()}`)
  return {
    url,
    pid: child.pid ?? 0,
    dataDir,
    kill: (signal) => {
      child.kill(signal)
    },
    ended,
    output: () => output,
  }
}

/** Starts a server and kills it after so many milliseconds, wherever it is by then. */
export const startAndKill = async (dataDir: string, afterMs: number): Promise<void> => {
  const child = spawnMain(['serve', '--json'], { PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'silent' })
  const ended = once(child, 'exit')
  await systemClock.sleep(afterMs)
  child.kill('SIGKILL')
  await ended
}

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command line to its end, or to that of the test. */
export const runCommand = async (
  words: readonly string[],
  { env = {}, input = '' }: { readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {},
): Promise<Finished> => {
  const child = spawnMain(words, env)
  // A server that should have refused to start would stay for ever.
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  expect(warningsIn(stderr)).toEqual([])
  return { code, stdout, stderr }
}

/** A command under way, for those that follow. */
export const startCommand = (words: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const child = spawnMain(words, env)
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  return {
    nextLine: async (): Promise<string> => String((await lines.next()).value),
    ended: once(child, 'exit'),
    kill: (signal: NodeJS.Signals) => {
      child.kill(signal)
    },
  }
}

export type Json = Record<string, unknown>

export const postJson = (url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) })

export const getJson = async (url: string): Promise<Json> => {
  const response = await fetch(url)
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as Json
}

/** Submits a probe and answers with its id. */
export const submitProbe = async (url: string, input: Json, more: Json = {}): Promise<string> => {
  const response = await postJson(`${url}/v1/operations`, { kind: 'probe', input, ...more })
  if (response.status !== 202) throw new Error(`answered ${response.status}: ${await response.text()}`)
  return String(((await response.json()) as Json).id)
}

/** Resolves with the operation once it has ended. */
export const untilEnded = async (url: string, id: string): Promise<Json> => {
  for (;;) {
    const operation = await getJson(`${url}/v1/operations/${id}?wait=30`)
    if (['succeeded', 'failed', 'cancelled', 'timed-out'].includes(String(operation.state))) return operation
  }
}

/** Resolves with the operation once it is in the state; each wait ends when its revision changes. */
export const untilState = async (url: string, id: string, state: string): Promise<Json> => {
  let etag = '"-1"'
  for (;;) {
    const response = await fetch(`${url}/v1/operations/${id}?wait=20`, { headers: { 'If-None-Match': etag } })
    if (response.status === 304) continue
    const operation = (await response.json()) as Json
    if (operation.state === state) return operation
    etag = response.headers.get('etag') ?? etag
  }
}

export interface LoggedEvent {
  readonly position: string
  readonly stream: string
  readonly revision: number
  readonly id: string
  readonly type: string
  readonly data: Json
  readonly recordedAt: string
}

/** The whole log, oldest first. */
export const allEvents = async (url: string): Promise<readonly LoggedEvent[]> => {
  const response = await fetch(`${url}/v1/events`, { headers: { Accept: 'application/x-ndjson' } })
  const text = await response.text()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LoggedEvent)
}

export const eventsOf = async (url: string, id: string): Promise<readonly LoggedEvent[]> =>
  (await getJson(`${url}/v1/operations/${id}/events?limit=1000`)).items as readonly LoggedEvent[]

export const terminalTypes: readonly string[] = [
  'OperationSucceeded',
  'OperationFailed',
  'OperationCancelled',
  'OperationTimedOut',
]
