import { existsSync, mkdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Contender } from '../lib/contender.ts'
import { freePort, startProgram } from '../lib/processes.ts'

const lookEveryMs = 10
const settledWithinMs = 60_000
const binary = new URL('../node_modules/.bin/restate-server', import.meta.url).pathname

/** Why Restate cannot be measured here; undefined where it can. */
export const restateMissing = (): string | undefined =>
  existsSync(binary) && existsSync(new URL('../node_modules/@restatedev/restate-sdk', import.meta.url))
    ? undefined
    : 'not installed: npm --prefix bench install'

/** Restate's single binary with a service that does nothing. */
export const startRestate = async ({ directory }: { readonly directory: string }): Promise<Contender> => {
  mkdirSync(directory, { recursive: true })
  const [ingress, admin, node] = [await freePort(), await freePort(), await freePort()]
  const log = `${directory}.log`
  await using parts = new AsyncDisposableStack()
  const service = parts.use(
    await startProgram({
      command: process.execPath,
      args: [new URL('programs/restate.ts', import.meta.url).pathname],
      ready: /ready on (.+)/,
      log,
    }),
  )
  const [servicePort, countPort] = service.said.split(' ')
  const server = parts.use(
    await startProgram({
      command: binary,
      args: ['--no-logo'],
      cwd: directory,
      env: {
        RESTATE_BASE_DIR: directory,
        RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
        RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
        RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
        RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
        RESTATE_DISABLE_TELEMETRY: 'true',
        DO_NOT_TRACK: '1',
      },
      log,
    }),
  )
  await register(`http://127.0.0.1:${admin}`, `http://127.0.0.1:${servicePort}`)
  const url = `http://127.0.0.1:${ingress}`
  const done = async (): Promise<number> =>
    ((await (await fetch(`http://127.0.0.1:${countPort}`)).json()) as { readonly done: number }).done
  let before = 0
  const started = parts.move()
  return {
    name: 'restate',
    url,
    pids: [service.pid, server.pid],
    submit: { method: 'POST', path: '/probe/run/send', body: '{}' },
    submitAndWait: { method: 'POST', path: '/probe/run', body: '{}' },
    settled: async (count = 0) => {
      for (let late = performance.now() + settledWithinMs; (await done()) - before < count && performance.now() < late; )
        await pause(lookEveryMs)
    },
    succeeded: async () => {
      const now = await done()
      const since = now - before
      before = now
      return since
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

const registerWithinMs = 30_000

const register = async (admin: string, uri: string): Promise<void> => {
  for (const late = performance.now() + registerWithinMs; ; await pause(lookEveryMs)) {
    const response = await fetch(`${admin}/deployments`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ uri }),
    }).catch(() => undefined)
    if (response?.ok) return
    if (performance.now() > late)
      throw new Error(`Restate did not take the service: ${response?.status} ${await response?.text()}`)
  }
}
