import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import {
  eventsOf,
  getJson,
  postJson,
  runCommand,
  startServer,
  submitProbe,
  temporaryDirectory,
  untilEnded,
  untilState,
} from './harness.ts'

test('one command starts a server that works', async () => {
  const { url } = await startServer()
  const response = await postJson(`${url}/v1/operations`, { kind: 'probe', input: { echo: 'hello' } }, { Prefer: 'wait=10' })
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({ state: 'succeeded', result: { echo: 'hello', attempt: 1 } })
})

test('a second process on the same data directory refuses and says who holds it', async () => {
  const { dataDir, pid } = await startServer()
  const second = await runCommand(['serve'], { env: { DATA_DIR: dataDir, PORT: '0' } })
  expect(second.code).toBe(1)
  expect(second.stderr).toContain(dataDir)
  expect(second.stderr).toContain(String(pid))
})

test('an address that others can reach needs credentials', async () => {
  const dataDir = temporaryDirectory()
  const refused = await runCommand(['serve'], { env: { HOST: '0.0.0.0', DATA_DIR: dataDir, PORT: '0' } })
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('credentials')
  const added = await runCommand(['credentials', 'add', 'root', '--scope', '*', '--data-dir', dataDir])
  expect(added.code).toBe(0)
  const token = added.stdout.trim()
  const { url } = await startServer({ dataDir, env: { HOST: '0.0.0.0' } })
  const local = url.replace('0.0.0.0', '127.0.0.1')
  expect((await fetch(`${local}/v1/operations`)).status).toBe(401)
  expect((await fetch(`${local}/v1/operations`, { headers: { Authorization: `Bearer ${token}` } })).status).toBe(200)
})

test.each([
  [{ EVENTSTOREDB_URL: 'http://127.0.0.1:2113' }, 'EVENTSTOREDB_URL is not a connection string'],
  [{ KAFKA_BROKERS: '127.0.0.1:9092' }, 'KAFKA_BROKERS needs EVENTSTOREDB_URL'],
  [{ PORT: 'eighty' }, 'PORT is not a whole number'],
])('the setting %j is refused at the start', async (env, message) => {
  const refused = await runCommand(['serve'], { env: { DATA_DIR: temporaryDirectory(), ...env } as Record<string, string> })
  expect(refused.code).toBe(2)
  expect(refused.stderr).toContain(message)
})

test('a port that is taken is refused in one sentence', async () => {
  const { url } = await startServer()
  const refused = await runCommand(['serve'], { env: { DATA_DIR: temporaryDirectory(), PORT: new URL(url).port } })
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain(`cannot listen on 127.0.0.1:${new URL(url).port} (EADDRINUSE): another process listens on it`)
  expect(refused.stderr).toContain('--port')
  expect(refused.stderr).not.toContain('    at ')
})

test('SIGTERM hands running work back, and the next process takes it up without counting it', async () => {
  const first = await startServer({ env: { SHUTDOWN_GRACE_MS: '400' } })
  const id = await submitProbe(first.url, { sleepMs: 60_000 }, { policy: { attempts: 1 } })
  await untilState(first.url, id, 'running')
  first.kill('SIGTERM')
  expect(await first.ended).toEqual({ code: 0, signal: null })
  const second = await startServer({ dataDir: first.dataDir })
  await untilState(second.url, id, 'running')
  const types = (await eventsOf(second.url, id)).map(({ type }) => type).filter((type) => type !== 'OperationProgressed')
  expect(types).toEqual(['OperationRequested', 'OperationStarted', 'OperationAttemptFailed', 'OperationStarted'])
  await postJson(`${second.url}/v1/operations/${id}/cancel`, {})
  expect(await untilEnded(second.url, id)).toMatchObject({ state: 'cancelled', attempt: 2 })
})

test('work that ends within the grace ends as if nothing were', async () => {
  const first = await startServer()
  const id = await submitProbe(first.url, { sleepMs: 500 })
  await untilState(first.url, id, 'running')
  first.kill('SIGTERM')
  expect(await first.ended).toEqual({ code: 0, signal: null })
  const second = await startServer({ dataDir: first.dataDir })
  expect(await getJson(`${second.url}/v1/operations/${id}`)).toMatchObject({ state: 'succeeded', attempt: 1 })
})

test('a draining server says so and takes nothing new; a second SIGTERM ends it at once', async () => {
  const server = await startServer({ env: { SHUTDOWN_GRACE_MS: '60000' } })
  const id = await submitProbe(server.url, { sleepMs: 60_000 })
  await untilState(server.url, id, 'running')
  server.kill('SIGTERM')
  let ready = await fetch(`${server.url}/readyz`)
  while (ready.status === 200) ready = await fetch(`${server.url}/readyz`)
  expect(await ready.json()).toMatchObject({ status: 'draining' })
  const refused = await postJson(`${server.url}/v1/operations`, { kind: 'probe', input: {} })
  expect(refused.status).toBe(503)
  expect(await refused.json()).toMatchObject({ type: 'urn:intendant:problem:draining' })
  // Within 150 ms a second signal is taken for the echo of the first.
  await systemClock.sleep(200)
  server.kill('SIGTERM')
  expect((await server.ended).code).toBe(143)
})

test('a signal that reaches the process twice at once, as under npm, stops it in good order', async () => {
  const server = await startServer()
  const id = await submitProbe(server.url, { sleepMs: 300 })
  await untilState(server.url, id, 'running')
  server.kill('SIGINT')
  server.kill('SIGINT')
  expect(await server.ended).toEqual({ code: 0, signal: null })
})

test('settings and scopes that mean nothing are named at the start', async () => {
  const dataDir = temporaryDirectory()
  const credentials = [{ name: 'old', scopes: ['nothing:read', 'v1:read'], token: '0'.repeat(64) }]
  writeFileSync(join(dataDir, 'credentials.json'), JSON.stringify({ version: 1, credentials }))
  const server = await startServer({ dataDir, env: { CRAWLING_HITTS: '5', KAFKA_HEAP_OPTS: '-Xmx1g' } })
  expect(server.output()).toContain('CRAWLING_HITTS is not a setting and has no effect; did you mean CRAWLING_HITS?')
  expect(server.output()).toContain('the credential old: \\"nothing:read\\" is not a scope of this program')
  expect(server.output()).not.toContain('KAFKA_HEAP_OPTS')
  const refused = await runCommand(['credentials', 'add', 'new', '--scope', 'crawlings:read', '--data-dir', dataDir])
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('the scopes are v1:read, v1:write, crawling:read') })
})

test.each(['/proc/intendant/data', '/dev/null/data', '/dev/null'])(
  'the data directory %s is refused by its path',
  async (dataDir) => {
    const refused = await runCommand(['serve'], { env: { DATA_DIR: dataDir, PORT: '0' } })
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(dataDir) })
    expect(refused.stderr).toContain('data directory')
  },
)
