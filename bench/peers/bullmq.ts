import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Contender } from '../lib/contender.ts'
import { freePort, startProgram } from '../lib/processes.ts'

const lookEveryMs = 10

/** Why BullMQ cannot be measured here; undefined where it can. */
export const bullmqMissing = (): string | undefined => {
  if (!existsSync(new URL('../node_modules/bullmq', import.meta.url))) return 'not installed: npm --prefix bench install'
  if (spawnSync('redis-server', ['--version']).status !== 0)
    return 'there is no redis-server (Debian: apt-get install redis-server)'
  return undefined
}

type Counts = Readonly<Record<'wait' | 'active' | 'completed', number>>

/** BullMQ on a redis of its own that flushes every write, as the product does. */
export const startBullmq = async ({ directory }: { readonly directory: string }): Promise<Contender> => {
  mkdirSync(directory, { recursive: true })
  const redisPort = await freePort()
  await using parts = new AsyncDisposableStack()
  const redis = parts.use(
    await startProgram({
      command: 'redis-server',
      args: [
        '--port',
        String(redisPort),
        '--bind',
        '127.0.0.1',
        '--dir',
        directory,
        '--save',
        '',
        '--appendonly',
        'yes',
        '--appendfsync',
        'always',
      ],
      ready: /Ready to accept connections/,
      log: `${directory}.log`,
    }),
  )
  const program = parts.use(
    await startProgram({
      command: process.execPath,
      args: [new URL('programs/bullmq.ts', import.meta.url).pathname],
      env: { REDIS_PORT: String(redisPort) },
      ready: /ready on (http:\S+)/,
      log: `${directory}.log`,
    }),
  )
  const url = program.said
  const counts = async (): Promise<Counts> => (await (await fetch(`${url}/counts`)).json()) as Counts
  let before = 0
  const body = '{"kind":"probe","input":{}}'
  const started = parts.move()
  return {
    name: 'bullmq',
    url,
    pids: [program.pid, redis.pid],
    submit: { method: 'POST', path: '/jobs', body },
    submitAndWait: { method: 'POST', path: '/jobs/wait', body },
    settled: async () => {
      for (let now = await counts(); now.wait + now.active > 0; now = await counts()) await pause(lookEveryMs)
    },
    succeeded: async () => {
      const { completed } = await counts()
      const since = completed - before
      before = completed
      return since
    },
    read: (answer) => ({ method: 'GET', path: `/jobs/${(JSON.parse(answer) as { readonly id: string }).id}` }),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}
