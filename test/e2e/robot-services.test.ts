import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePortPair } from '../engines/ports.ts'
import { startGitServer, template } from '../workers/robot/git-server.ts'
import { type ServerProcess, startServer, temporaryDirectory } from './harness.ts'

/** What the programs of the template do is told by files in the folder of all work directories. */
const waits = (name: string): string => `echo "$INTENDANT_SERVICE_NAME" >> ../${name}; while test -e ../hold; do sleep 0.05; done`
const sh = (text: string) => ({ run: ['/bin/sh', '-c', text] })
const manifest = (version: string) => ({
  version,
  actions: { work: sh(waits('working')), farewell: sh(waits('leaving')) },
  hooks: {
    validate: { ...sh(`test "$INTENDANT_SERVICE_NAME" != slow || { ${waits('validating')}; }`), timeout: 600 },
    delete: ['farewell'],
  },
})

const uid = (version: string): string => `127.0.0.1/acme/lives/vm/${version}`

test('a kill of the server loses no creation, upgrade or deletion of a service, and keeps no name for nothing', {
  timeout: 120_000,
}, async () => {
  const git = await startGitServer()
  onTestFinished(() => git.stop())
  const repository = git.repository('lives')
  repository.commit({ ...template('vm', manifest('1.0.0')), ...template('vm.2', manifest('2.0.0')) })
  const dataDir = temporaryDirectory()
  const services = join(dataDir, 'robot', 'services')
  const env = { PORT: String(await freePortPair()), LEASE_MS: '1000' }
  let server: ServerProcess = await startServer({ dataDir, env })
  const ask = async (line: string, body?: unknown) => {
    const [method, path] = line.split(' ') as [string, string]
    const response = await fetch(server.url + path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const text = await response.text()
    return { status: response.status, json: text === '' ? undefined : JSON.parse(text) }
  }
  const said = (name: string): readonly string[] =>
    existsSync(join(services, name)) ? readFileSync(join(services, name), 'utf8').trim().split('\n') : []
  const until = (name: string, who: string) => expect.poll(() => said(name), { timeout: 30_000, interval: 50 }).toContain(who)
  const create = async (name: string): Promise<string> =>
    (await ask('POST /services', { template: uid('1.0.0'), name })).json.guid

  expect((await ask('POST /templates', { url: repository.url })).status).toBe(201)
  const [left, upgraded] = [await create('left'), await create('upgraded')]
  writeFileSync(join(services, 'hold'), '')
  const unanswered = [
    ask('POST /services', { template: uid('1.0.0'), name: 'slow' }),
    ask(`POST /services/${upgraded}/task_list`, { action_name: 'work' }).then(() =>
      ask(`PUT /services/${upgraded}`, { template: uid('2.0.0') }),
    ),
    ask(`DELETE /services/${left}`),
  ].map((answer) => answer.catch(() => undefined))
  await until('validating', 'slow')
  await until('leaving', 'left')
  await until('working', 'upgraded')
  await expect
    .poll(async () => (await ask('GET /v1/operations?kind=robot.upgrade')).json.items, { timeout: 30_000 })
    .toHaveLength(1)
  server.kill('SIGKILL')
  await server.ended
  await Promise.all(unanswered)

  server = await startServer({ dataDir, env })
  expect((await ask('POST /services', { template: uid('1.0.0'), name: 'slow' })).status).toBe(409)
  expect((await ask('GET /services?name=slow')).json).toEqual([])
  rmSync(join(services, 'hold'))
  await expect.poll(async () => (await ask('GET /services?name=slow')).json, { timeout: 60_000, interval: 100 }).toHaveLength(1)
  await expect.poll(async () => (await ask(`GET /services/${left}`)).status, { timeout: 60_000, interval: 100 }).toBe(404)
  await expect
    .poll(async () => (await ask(`GET /services/${upgraded}`)).json.version, { timeout: 60_000, interval: 100 })
    .toBe('2.0.0')
  await expect.poll(() => existsSync(join(services, left)), { timeout: 30_000, interval: 50 }).toBe(false)
  expect((await ask(`GET /services/${upgraded}/task_list?all=yes`)).json).toMatchObject([{ action_name: 'work', state: 'ok' }])
  await expect
    .poll(async () => (await ask('POST /services', { template: uid('1.0.0'), name: 'left' })).status, { timeout: 30_000 })
    .toBe(201)
})
