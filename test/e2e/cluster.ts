import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { warningsIn } from '../warnings.ts'
import { type Ended, type Json, temporaryDirectory } from './harness.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const main = 'bin/intendant.js'

/** A process on shared engines; started again it has its data directory, and another port. */
export interface ClusterNode {
  readonly name: string
  /** Where it answered last, or answers now. */
  url(): string
  isUp(): boolean
  /** Resolves when it says that it is ready; rejects with its output where it ends before. */
  start(): Promise<void>
  /** Resolves when it has ended, for signals that end a process. */
  kill(signal: NodeJS.Signals): Promise<Ended | undefined>
  /** Everything that it wrote to stderr. */
  output(): string
}

export interface ClusterOptions {
  readonly eventStoreDbUrl: string
  readonly kafkaBrokers: string
  readonly env?: Readonly<Record<string, string>>
  /** The program, relative to the project; it takes the words of `intendant`. */
  readonly program?: string
}

export interface Cluster {
  readonly directory: string
  /** A server that takes no work itself. */
  server(name: string): ClusterNode
  /** Any command line of the program, such as `['worker', '--json', '--kinds', 'probe']`. */
  node(name: string, words: readonly string[], env?: Readonly<Record<string, string>>): ClusterNode
  worker(name: string, env?: Readonly<Record<string, string>>): ClusterNode
}

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

let made = 0

/** Processes that share engines, blobs, the key of secrets and topics; they end with the test. */
export const openCluster = ({ eventStoreDbUrl, kafkaBrokers, env = {}, program = main }: ClusterOptions): Cluster => {
  const directory = temporaryDirectory()
  const blobs = join(directory, 'blobs')
  mkdirSync(blobs)
  const shared = {
    EVENTSTOREDB_URL: eventStoreDbUrl,
    KAFKA_BROKERS: kafkaBrokers,
    KAFKA_TOPIC_PREFIX: `test-${process.pid}-${made++}`,
    BLOBS_DIR: blobs,
    SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'warn',
    ...env,
  }
  const node = (name: string, words: readonly string[], more: Readonly<Record<string, string>> = {}): ClusterNode =>
    clusterNode({ name, program, words, env: { ...shared, DATA_DIR: join(directory, name), ...more } })
  return {
    directory,
    node,
    server: (name) => node(name, ['serve', '--json', '--no-workers']),
    worker: (name, more) => node(name, ['worker', '--json'], more),
  }
}

const endingSignals: readonly string[] = ['SIGKILL', 'SIGTERM', 'SIGINT']

const clusterNode = ({
  name,
  program,
  words,
  env,
}: {
  readonly name: string
  readonly program: string
  readonly words: readonly string[]
  readonly env: Readonly<Record<string, string>>
}): ClusterNode => {
  let child: ChildProcess | undefined
  let ended: Promise<Ended> = Promise.resolve({ code: null, signal: null })
  let output = ''
  let url = ''
  let isUp = false

  const start = async (): Promise<void> => {
    const { PATH, HOME } = process.env
    const begun = spawn(process.execPath, [join(root, program), ...words], {
      cwd: root,
      env: { PATH, HOME, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = begun
    alive.add(begun)
    const end = new Promise<Ended>((resolve) =>
      begun.on('exit', (code, signal) => {
        alive.delete(begun)
        isUp = false
        resolve({ code, signal })
      }),
    )
    ended = end
    begun.stderr.on('data', (chunk) => {
      output += chunk
    })
    const lines = createInterface({ input: begun.stdout })
    const first = (await Promise.race([once(lines, 'line'), end])) as [string] | Ended
    if (!Array.isArray(first)) throw new Error(`${name} ended with ${first.code ?? first.signal} before it was ready:\n${output}`)
    url = (JSON.parse(first[0]) as { url: string }).url
    isUp = true
  }

  onTestFinished(async () => {
    child?.kill('SIGKILL')
    await ended
    expect(warningsIn(output)).toEqual([])
  })

  return {
    name,
    start,
    url: () => url,
    isUp: () => isUp,
    output: () => output,
    kill: async (signal) => {
      if (endingSignals.includes(signal)) isUp = false
      child?.kill(signal)
      return endingSignals.includes(signal) ? ended : undefined
    },
  }
}

/** How many live workers take probes, as a server sees it. */
export const probeWorkers = async (url: string): Promise<number> => {
  const response = await fetch(`${url}/v1/kinds`)
  const { items } = (await response.json()) as { items: readonly Json[] }
  return Number(items.find(({ kind }) => kind === 'probe')?.workers)
}
