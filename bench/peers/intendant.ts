import { readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Contender } from '../lib/contender.ts'
import { startProgram } from '../lib/processes.ts'

const root = new URL('../../', import.meta.url).pathname
const lookEveryMs = 10
const pageSize = 1000

/** The command of `npm start`, without npm around it. */
const serve = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly scripts: { readonly start: string } })
  .scripts.start
const commands = {
  serve,
  'serve without workers': `${serve} --no-workers`,
  worker: `${serve.replace(/ serve$/, ' worker')} --kinds probe`,
} as const

export interface IntendantOptions {
  readonly dataDir: string
  /** Default `serve`. */
  readonly role?: keyof typeof commands
  /** Further settings. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Intendant extends Contender {
  readonly dataDir: string
  readonly readyAfterMs: number
  readonly read: NonNullable<Contender['read']>
  readonly submitAndWait: NonNullable<Contender['submitAndWait']>
  readonly settled: NonNullable<Contender['settled']>
  readonly succeeded: NonNullable<Contender['succeeded']>
  stop(): Promise<void>
}

const body = '{"kind":"probe","input":{}}'

/** The product as users start it, with its own directory on the disk. */
export const startIntendant = async ({ dataDir, role = 'serve', env = {} }: IntendantOptions): Promise<Intendant> => {
  const program = await startProgram({
    command: 'sh',
    args: ['-c', commands[role]],
    cwd: root,
    env: {
      PATH: `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}`,
      HOST: '127.0.0.1',
      PORT: '0',
      DATA_DIR: dataDir,
      EVENTSTOREDB_URL: '',
      KAFKA_BROKERS: '',
      ...env,
    },
    ready: /(?:ready|how it is) on (http:\/\/[^\s/]+)/,
    log: `${dataDir}.log`,
  })
  const url = program.said
  const get = async (path: string): Promise<{ readonly items: readonly unknown[]; readonly next: string | null }> => {
    const response = await fetch(`${url}${path}`)
    if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${await response.text()}`)
    return (await response.json()) as never
  }

  return {
    name: 'intendant',
    url,
    dataDir,
    pids: [program.pid],
    readyAfterMs: program.readyAfterMs,
    submit: { method: 'POST', path: '/v1/operations', body },
    submitAndWait: { method: 'POST', path: '/v1/operations', headers: { Prefer: 'wait=10' }, body },
    settled: async () => {
      while ((await get('/v1/operations?state=pending&state=running&kind=probe&limit=1')).items.length > 0)
        await pause(lookEveryMs)
    },
    succeeded: async (since) => {
      const query = `state=succeeded&kind=probe&from=${new Date(since).toISOString()}&limit=${pageSize}`
      let count = 0
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page = await get(`/v1/operations?${query}${cursor === '' ? '' : `&cursor=${cursor}`}`)
        count += page.items.length
        cursor = page.next
      }
      return count
    },
    read: (answer) => ({ method: 'GET', path: `/v1/operations/${(JSON.parse(answer) as { readonly id: string }).id}` }),
    stop: () => program.stop(),
    [Symbol.asyncDispose]: () => program.stop(),
  }
}
