import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runs } from '../contracts/processes.ts'
import { eventsOf, postJson, startServer, temporaryDirectory, untilEnded } from './harness.ts'

const patience = { timeout: 60_000, interval: 50 }

test('a program of a killed server is ended before its operation is tried again', { timeout: 120_000 }, async () => {
  const dataDir = temporaryDirectory()
  mkdirSync(join(dataDir, 'kinds'))
  // The first attempt ignores TERM and has a child; the second one ends.
  const script = 'test "$INTENDANT_ATTEMPT" != 1 && exit 0; trap "" TERM; sleep 1000 & echo $$ $!; while :; do sleep 1; done'
  const manifest = { kind: 'own.stubborn', description: 'Ends when it is killed', run: ['sh', '-c', script] }
  writeFileSync(join(dataDir, 'kinds', 'stubborn.json'), JSON.stringify(manifest))
  const env = { KILL_GRACE_MS: '200', LEASE_MS: '2000' }
  const first = await startServer({ dataDir, env })
  const { id } = (await (await postJson(`${first.url}/v1/operations`, { kind: 'own.stubborn', input: {} })).json()) as {
    id: string
  }
  const printed = async (): Promise<string> => (await fetch(`${first.url}/v1/operations/${id}/output`)).text()
  await expect.poll(printed, patience).toMatch(/\d+ \d+\n/)
  const pids = (await printed()).trim().split(' ').map(Number)
  first.kill('SIGKILL')
  await first.ended
  expect(pids.map(runs)).toEqual([true, true])

  const second = await startServer({ dataDir, env })
  expect(await untilEnded(second.url, id)).toMatchObject({ state: 'succeeded', attempt: 2 })
  expect(pids.map(runs)).toEqual([false, false])
  expect(readdirSync(join(dataDir, 'programs'))).toEqual([])
  const types = (await eventsOf(second.url, id)).map(({ type }) => type)
  expect(types.filter((type) => type === 'OperationSucceeded')).toHaveLength(1)
})

test('a server that is told to stop leaves no program behind, and hands its operation back', { timeout: 120_000 }, async () => {
  const dataDir = temporaryDirectory()
  mkdirSync(join(dataDir, 'kinds'))
  const script = 'trap "" TERM; echo pid $$; while :; do sleep 1; done'
  const manifest = { kind: 'own.deaf', description: 'Ignores TERM', run: ['sh', '-c', script] }
  writeFileSync(join(dataDir, 'kinds', 'deaf.json'), JSON.stringify(manifest))
  const server = await startServer({ dataDir, env: { SHUTDOWN_GRACE_MS: '2000' } })
  const { id } = (await (await postJson(`${server.url}/v1/operations`, { kind: 'own.deaf', input: {} })).json()) as { id: string }
  const printed = async (): Promise<string> => (await fetch(`${server.url}/v1/operations/${id}/output`)).text()
  await expect.poll(printed, patience).toMatch(/pid \d+\n/)
  const pid = Number((await printed()).slice('pid '.length))
  server.kill('SIGTERM')
  expect(await server.ended).toMatchObject({ code: 0 })
  expect(runs(pid)).toBe(false)
  expect(readdirSync(join(dataDir, 'programs'))).toEqual([])
})
