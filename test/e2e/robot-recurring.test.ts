import { expect, onTestFinished, test } from 'vitest'
import { freePortPair } from '../engines/ports.ts'
import { startGitServer, template } from '../workers/robot/git-server.ts'
import { type ServerProcess, startServer, temporaryDirectory } from './harness.ts'

interface Run {
  readonly id: string
  readonly state: string
  readonly requestedAt: string
}

const periodMs = 1_000

test('recurring actions go on after a kill of the server, one at a time and never faster than their period', async () => {
  const git = await startGitServer()
  onTestFinished(() => git.stop())
  const repository = git.repository('recurring')
  const actions = {
    tick: { run: ['sh', '-c', 'echo "$INTENDANT_TASK_GUID" >> ticks'], recurring: periodMs / 1000 },
    // Runs when the server is killed, and again afterwards.
    long: { run: ['sh', '-c', 'if [ -e begun ]; then exit 0; fi; touch begun; sleep 600'], recurring: 3600 },
  }
  repository.commit({
    ...template('clock', { actions: { tick: actions.tick } }),
    ...template('once', { actions: { long: actions.long } }),
  })
  const dataDir = temporaryDirectory()
  const env = { PORT: String(await freePortPair()), LEASE_MS: '4000' }
  let server: ServerProcess = await startServer({ dataDir, env })
  const ask = async (path: string, body?: object) => {
    const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    return (await fetch(server.url + path, sent)).json()
  }
  const runsOf = async (guid: string, action: string): Promise<readonly Run[]> =>
    ((await ask(`/v1/operations?schedule=${guid}%2F${action}&order=asc&limit=100`)) as { items: Run[] }).items
  const until = (guid: string, action: string, isEnough: (runs: readonly Run[]) => boolean) =>
    expect.poll(async () => isEnough(await runsOf(guid, action)), { timeout: 120_000, interval: 50 }).toBe(true)

  await ask('/templates', { url: repository.url })
  const { guid: clock } = (await ask('/services', { template: 'clock' })) as { guid: string }
  const { guid: once } = (await ask('/services', { template: 'once' })) as { guid: string }
  await until(clock, 'tick', ({ length }) => length >= 2)
  await until(once, 'long', ([run]) => run?.state === 'running')
  server.kill('SIGKILL')
  await server.ended
  const killed = Date.now()
  server = await startServer({ dataDir, env })
  const before = (await runsOf(clock, 'tick')).filter(({ requestedAt }) => Date.parse(requestedAt) < killed).length
  await until(clock, 'tick', ({ length }) => length >= before + 3)
  await until(once, 'long', ([run]) => run?.state === 'succeeded')
  expect(await runsOf(once, 'long')).toHaveLength(1)

  const runs = await runsOf(clock, 'tick')
  const times = runs.map(({ requestedAt }) => Date.parse(requestedAt))
  for (const [n, time] of times.slice(1).entries()) expect(time - (times[n] ?? 0)).toBeGreaterThanOrEqual(periodMs)
  // Each task is done before the next one is asked for.
  expect(runs.slice(0, -1).map(({ state }) => state)).toEqual(runs.slice(0, -1).map(() => 'succeeded'))
})
