import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runs } from '../contracts/processes.ts'
import { freePortPair } from '../engines/ports.ts'
import { startGitServer, template } from '../workers/robot/git-server.ts'
import { type ServerProcess, startServer, temporaryDirectory } from './harness.ts'

const patience = { timeout: 120_000, interval: 100 }

interface Task {
  readonly guid: string
  readonly state: string
  readonly duration?: number
  readonly result?: string
  readonly eco?: { readonly exceptionclassname: string }
}

const ask = async (url: string, body?: unknown): Promise<{ readonly status: number; readonly json: never }> => {
  const answer = await fetch(url, body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) })
  return { status: answer.status, json: (await answer.json()) as never }
}

/** A server with one template, and another one on the same directory after it was killed. */
const startRobot = async (manifest: Readonly<Record<string, unknown>>, files: Readonly<Record<string, string>>) => {
  const git = await startGitServer()
  onTestFinished(() => git.stop())
  const repository = git.repository('actions')
  repository.commit(template('vm', manifest, files))
  const dataDir = temporaryDirectory()
  const env = { PORT: String(await freePortPair()), LEASE_MS: '3000', KILL_GRACE_MS: '200', ROBOT_CONCURRENCY: '6' }
  let server: ServerProcess = await startServer({ dataDir, env })
  expect((await ask(`${server.url}/templates`, { url: repository.url })).status).toBe(201)
  return {
    dataDir,
    kill: async (): Promise<void> => {
      server.kill('SIGKILL')
      await server.ended
    },
    start: async (): Promise<void> => {
      server = await startServer({ dataDir, env })
    },
    create: async (data = {}): Promise<string> => {
      const { status, json } = await ask(`${server.url}/services`, { template: 'vm', data })
      expect(status).toBe(201)
      return (json as { guid: string }).guid
    },
    request: async (guid: string, action: string, args = {}): Promise<string> => {
      const { status, json } = await ask(`${server.url}/services/${guid}/task_list`, { action_name: action, args })
      expect(status).toBe(201)
      return (json as Task).guid
    },
    tasks: async (guid: string): Promise<readonly Task[]> =>
      (await ask(`${server.url}/services/${guid}/task_list?all=true`)).json,
  }
}

test('a killed server runs a task again under the same guid, or ends it, as its template says', {
  timeout: 120_000,
}, async () => {
  const folder = temporaryDirectory()
  const stubborn = `#!/bin/sh
trap '' TERM
echo $$ >"${folder}/$INTENDANT_ACTION-$INTENDANT_ATTEMPT"
[ "$INTENDANT_ATTEMPT" != 1 ] || while :; do sleep 1; done
echo "{\\"result\\": $INTENDANT_ATTEMPT}"
`
  const seesApi = `fetch(process.env.INTENDANT_API_URL + '/services').then(async (answer) => {
  console.log(JSON.stringify({ result: (await answer.json()).length }))
})`
  const actions = {
    again: { run: ['./stubborn'] },
    once: { run: ['./stubborn'], resume: 'fail' },
    services: { run: ['node', './services.mjs'] },
  }
  const robot = await startRobot({ actions }, { stubborn, 'services.mjs': seesApi })
  const [one, other] = [await robot.create(), await robot.create()]
  const again = await robot.request(one, 'again')
  const waiting = await robot.request(one, 'services')
  const once = await robot.request(other, 'once')
  await expect.poll(() => ['again-1', 'once-1'].every((name) => existsSync(join(folder, name)))).toBe(true)
  const pid = Number(readFileSync(join(folder, 'again-1'), 'utf8'))
  await robot.kill()
  expect(runs(pid)).toBe(true)

  await robot.start()
  const ended = async (guid: string): Promise<readonly Task[]> =>
    (await robot.tasks(guid)).filter(({ duration }) => duration !== undefined)
  await expect.poll(() => ended(one), { timeout: 60_000 }).toHaveLength(2)
  expect(runs(pid)).toBe(false)
  expect(await robot.tasks(one)).toMatchObject([
    { guid: again, state: 'ok', result: '2' },
    { guid: waiting, state: 'ok', result: '2' },
  ])
  await expect.poll(() => ended(other), { timeout: 60_000 }).toHaveLength(1)
  expect(await robot.tasks(other)).toMatchObject([
    { guid: once, state: 'error', eco: { exceptionclassname: 'InterruptedError' } },
  ])
  expect(existsSync(join(folder, 'once-2'))).toBe(false)
})

test('200 services run 5 tasks each in their order, at most 6 at a time, over a kill of the server', {
  timeout: 300_000,
}, async () => {
  const folder = temporaryDirectory()
  // The parent of a program is its server: what the killed one left behind counts apart.
  const count = `#!/bin/sh
read -r in
n=\${in#*\\"n\\":}
last=\${in#*\\"last\\":}
mine="$1/$PPID"
[ -d "$mine" ] || mkdir -p "$mine"
: >"$mine/$INTENDANT_SERVICE_GUID"
set -- "$1" "$mine"/*
echo $(($# - 1)) >>"$1/at-once"
rm "$mine/$INTENDANT_SERVICE_GUID"
[ $((\${last%%[!0-9]*} + 1)) -eq "\${n%%[!0-9]*}" ] || exit 1
echo "{\\"data\\": {\\"last\\": \${n%%[!0-9]*}}}"
`
  const robot = await startRobot({ actions: { count: { run: ['./count', folder], args: { n: {} } } } }, { count })
  const services: string[] = []
  const tasks = new Map<string, readonly string[]>()
  const inTens = async (of: number, work: (n: number) => Promise<void>): Promise<void> => {
    let next = 0
    const go = async (): Promise<void> => {
      while (next < of) await work(next++)
    }
    await Promise.all(Array.from({ length: 10 }, go))
  }
  await inTens(200, async () => void services.push(await robot.create({ last: 0 })))
  await inTens(200, async (at) => {
    const guid = services[at] ?? ''
    const mine: string[] = []
    for (const n of [1, 2, 3, 4, 5]) mine.push(await robot.request(guid, 'count', { n }))
    tasks.set(guid, mine)
  })
  const atOnce = (): readonly number[] => {
    const file = join(folder, 'at-once')
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : []
  }
  await expect.poll(() => atOnce().length, patience).toBeGreaterThan(300)
  await robot.kill()
  expect(atOnce().length).toBeLessThan(1000)

  await robot.start()
  await expect.poll(() => atOnce().length, patience).toBeGreaterThanOrEqual(1000 - 6)
  await inTens(200, async (at) => {
    const guid = services[at] ?? ''
    const ended = async (): Promise<readonly Task[]> => (await robot.tasks(guid)).filter(({ duration }) => duration !== undefined)
    await expect.poll(ended, patience).toHaveLength(5)
    expect((await ended()).map(({ guid: task, state }) => [task, state])).toEqual(tasks.get(guid)?.map((task) => [task, 'ok']))
  })
  expect(Math.max(...atOnce())).toBeLessThanOrEqual(6)
  // What ran when the server was killed runs again, nothing else does.
  expect(atOnce().length).toBeLessThanOrEqual(1000 + 6)
})
