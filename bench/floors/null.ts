import type { Contender } from '../lib/contender.ts'
import { startProgram } from '../lib/processes.ts'

/** A Hono route that stores nothing. */
export const startNull = async ({ log }: { readonly log: string }): Promise<Contender & { readonly readyAfterMs: number }> => {
  const program = await startProgram({
    command: process.execPath,
    args: [new URL('null-server.ts', import.meta.url).pathname],
    ready: /ready on (http:\S+)/,
    log,
  })
  return {
    name: 'null',
    url: program.said,
    pids: [program.pid],
    readyAfterMs: program.readyAfterMs,
    submit: { method: 'POST', path: '/operations', body: '{"kind":"probe","input":{}}' },
    read: () => ({ method: 'GET', path: '/operations/01a1feb0-1fd7-73b1-a108-4b257b40f450' }),
    [Symbol.asyncDispose]: () => program.stop(),
  }
}
