import { appendFileSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import {
  allEvents,
  getJson,
  type Json,
  postJson,
  runCommand,
  type ServerProcess,
  startServer,
  submitProbe,
  temporaryDirectory,
  untilEnded,
} from '../e2e/harness.ts'

const stop = async (server: ServerProcess): Promise<void> => {
  server.kill('SIGTERM')
  expect(await server.ended).toEqual({ code: 0, signal: null })
}
const parsed = (text: string): Json => JSON.parse(text) as Json

test('a backup brings everything back, and says when it does not', async () => {
  const server = await startServer()
  const { dataDir } = server
  const id = await submitProbe(server.url, { output: 'kept\n', echo: 'kept' })
  const operation = await untilEnded(server.url, id)
  const events = await allEvents(server.url)
  const backup = join(temporaryDirectory(), 'backup')
  const held = await runCommand(['backup', backup, '--data-dir', dataDir])
  expect(held.code).toBe(1)
  expect(held.stderr).toContain(String(server.pid))
  expect((await runCommand(['credentials', 'add', 'reader', '--scope', 'v1:read', '--data-dir', dataDir])).code).toBe(0)
  await stop(server)

  const made = await runCommand(['backup', backup, '--data-dir', dataDir, '--json'])
  expect(made).toMatchObject({ code: 0, stderr: '' })
  expect(parsed(made.stdout)).toMatchObject({ events: events.length, head: events.at(-1)?.position })
  expect((await runCommand(['backup', backup, '--data-dir', dataDir])).code).toBe(1)

  const restored = temporaryDirectory()
  expect(await runCommand(['restore', backup, '--data-dir', restored])).toMatchObject({ code: 0, stderr: '' })
  expect(readFileSync(join(restored, 'secrets.key'), 'utf8')).toBe(readFileSync(join(dataDir, 'secrets.key'), 'utf8'))
  expect(statSync(join(restored, 'secrets.key')).mode & 0o777).toBe(0o600)
  expect((await runCommand(['restore', backup, '--data-dir', restored])).stderr).toContain('is not empty')
  rmSync(join(restored, 'credentials.json'))
  const again = await startServer({ dataDir: restored })
  expect(await getJson(`${again.url}/v1/operations/${id}`)).toEqual(operation)
  expect(await allEvents(again.url)).toEqual(events)

  appendFileSync(join(backup, 'secrets.key'), '\n')
  const spoilt = join(temporaryDirectory(), 'data')
  const refused = await runCommand(['restore', backup, '--data-dir', spoilt])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('secrets.key')
  expect(existsSync(spoilt)).toBe(false)
  rmSync(join(backup, 'manifest.json'))
  expect((await runCommand(['restore', backup, '--data-dir', spoilt])).code).toBe(3)
})

test.each(['data', 'metadata'])('a log whose %s is damaged makes no backup', async (column) => {
  const server = await startServer()
  await untilEnded(server.url, await submitProbe(server.url, { echo: 1 }))
  await stop(server)
  const log = new DatabaseSync(join(server.dataDir, 'log.db'))
  log.exec(`UPDATE events SET ${column} = '{"half' WHERE position = 2`)
  log.close()
  const backup = join(temporaryDirectory(), 'backup')
  const refused = await runCommand(['backup', backup, '--data-dir', server.dataDir])
  expect(refused.code).not.toBe(0)
  expect(refused.stderr).toContain('the log cannot be read')
  expect(existsSync(join(backup, 'manifest.json'))).toBe(false)
})

test('history is replayed as it was, at a server and from the files', async () => {
  const server = await startServer()
  const id = await submitProbe(server.url, { echo: 1 })
  await untilEnded(server.url, id)
  const replay = (...words: string[]) => runCommand(['audit', 'replay', '--stream', `operation-${id}`, '--json', ...words])
  const now = await replay('--url', server.url)
  expect(parsed(now.stdout)).toMatchObject({ revision: 2, state: { status: 'succeeded' } })
  const [first, second] = (await allEvents(server.url)) as unknown as { position: string; recordedAt: string }[]
  expect(parsed((await replay('--url', server.url, '--as-of', String(second?.position))).stdout)).toMatchObject({
    revision: 1,
    state: { status: 'running' },
  })
  const text = await runCommand([
    'audit',
    'replay',
    '--stream',
    `operation-${id}`,
    '--as-of',
    String(first?.position),
    '--url',
    server.url,
  ])
  expect(text.stdout).toContain('OperationRequested')
  expect(text.stdout).toContain('"status": "pending"')
  expect((await replay('--url', server.url, '--as-of', '2001-01-01T00:00:00Z')).code).toBe(3)
  expect((await replay('--url', server.url, '--as-of', 'yesterday')).code).toBe(2)
  expect((await runCommand(['audit', 'replay', '--stream', 'operation-none', '--url', server.url])).code).toBe(3)
  expect((await replay('--data-dir', server.dataDir)).code).toBe(1)
  await stop(server)
  const offline = await replay('--data-dir', server.dataDir)
  expect(parsed(offline.stdout)).toEqual(parsed(now.stdout))
  expect((await replay('--data-dir', server.dataDir, '--as-of', String(first?.recordedAt))).code).toBe(0)
})

test('views are rebuilt from the files of a stopped server', async () => {
  const server = await startServer()
  const id = await submitProbe(server.url, { echo: 1 })
  const operation = await untilEnded(server.url, id)
  expect((await runCommand(['projections', 'rebuild', 'operations', '--data-dir', server.dataDir])).code).toBe(1)
  await stop(server)
  const rebuilt = await runCommand(['projections', 'rebuild', 'operations', '--data-dir', server.dataDir])
  expect(rebuilt).toMatchObject({ code: 0, stderr: '' })
  expect(rebuilt.stdout).toMatch(/^operations is live at \d+\n$/)
  expect((await runCommand(['projections', 'rebuild', 'nothing', '--data-dir', server.dataDir])).code).toBe(3)
  expect((await runCommand(['projections', 'ls', '--data-dir', temporaryDirectory()])).code).toBe(3)
  const again = await startServer({ dataDir: server.dataDir })
  expect(await getJson(`${again.url}/v1/operations/${id}`)).toEqual(operation)
})

test('credentials are added, listed and removed, also while the server runs', async () => {
  const { url, dataDir } = await startServer()
  const run = (...words: string[]) => runCommand(['credentials', ...words, '--data-dir', dataDir])
  const added = await run('add', 'reader', '--scope', 'v1:read', '--json')
  const { token } = parsed(added.stdout)
  const headers = { Authorization: `Bearer ${token}` }
  await untilRefused(`${url}/v1/operations`)
  expect((await fetch(`${url}/v1/operations`, { headers })).status).toBe(200)
  expect((await postJson(`${url}/v1/operations`, { kind: 'probe', input: {} }, headers)).status).toBe(403)
  expect((await runCommand(['operations', 'ls', '--url', url, '--token', String(token)])).code).toBe(0)
  expect((await runCommand(['operations', 'ls', '--url', url])).code).toBe(1)
  expect((await run('add', 'reader', '--scope', 'v1:read')).code).toBe(2)
  expect((await run('add', 'other', '--scope', 'everything')).code).toBe(2)
  const listed = await run('ls', '--json')
  expect(parsed(listed.stdout).items).toEqual([{ name: 'reader', kind: 'token', scopes: ['v1:read'] }])
  expect(listed.stdout).not.toContain(String(token))
  expect(await run('rm', 'reader')).toMatchObject({ code: 0, stderr: expect.stringContaining('No credential is left') })
  expect((await run('rm', 'reader')).code).toBe(3)
  await untilRefused(`${url}/v1/operations`, headers)
})

test('a client certificate is added by its CN, which is its name where none is given', async () => {
  const run = (...words: string[]) => runCommand(['credentials', ...words, '--data-dir', dataDir])
  const dataDir = temporaryDirectory()
  const added = await run('add', 'seven', '--client-cn', 'agent-7.example.com', '--scope', 'v1:read')
  expect(added).toEqual({
    code: 0,
    stdout: '',
    stderr: 'seven is let in by a client certificate with the CN agent-7.example.com now\n',
  })
  const other = await run('add', '--client-cn', 'agent-8', '--scope', '*', '--json')
  expect(parsed(other.stdout)).toEqual({ name: 'agent-8', scopes: ['*'], token: null, clientCn: 'agent-8' })
  expect(parsed((await run('ls', '--json')).stdout).items).toEqual([
    { name: 'seven', scopes: ['v1:read'], kind: 'client-certificate', clientCn: 'agent-7.example.com' },
    { name: 'agent-8', scopes: ['*'], kind: 'client-certificate', clientCn: 'agent-8' },
  ])
  expect((await run('ls')).stdout).toContain('seven    client-certificate agent-7.example.com  v1:read')
  expect((await run('add', '--scope', '*')).code).toBe(2)
  expect((await run('add', 'nine', '--client-cn', 'agent-8', '--scope', '*')).code).toBe(2)
})

/** A change counts within a second or two. */
const untilRefused = async (url: string, headers: Readonly<Record<string, string>> = {}): Promise<void> => {
  const signal = AbortSignal.timeout(2_000)
  for (let status = 200; status !== 401; ) status = (await fetch(url, { headers, signal })).status
}
