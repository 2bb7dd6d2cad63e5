import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { type GitServer, startGitServer, template } from '../../workers/robot/git-server.ts'
import { startApp, type TestApp } from '../app.ts'

/** The waits of the contract for a creation, a deletion and an upgrade. */
const waits = [120_000, 90_000, 330_000]
let isImpatient = false
/** How far the wall clock was set ahead. */
let aheadMs = 0
const isWait = (ms: number): boolean => waits.some((wait) => Math.abs(wait - ms) < 1_000)
const clock: Clock = {
  ...systemClock,
  now: () => systemClock.now() + aheadMs,
  after: (ms, fire) => systemClock.after(isImpatient && isWait(ms) ? 300 : ms, fire),
}
const held = { run: ['/bin/sh', '-c', 'while test -e ../hold; do sleep 0.05; done'] }

let git: GitServer
let app: TestApp
beforeAll(async () => {
  git = await startGitServer()
  app = await startApp({}, { clock })
  const repository = git.repository('slow')
  for (const version of ['1.0.0', '2.0.0']) {
    repository.commit(
      template('vm', { version, actions: { work: held, farewell: held }, hooks: { validate: held, delete: ['farewell'] } }),
    )
    await app.ask('POST /templates', { body: { url: repository.url } })
  }
  isImpatient = true
  mkdirSync(join(app.dataDir, 'robot', 'services'), { recursive: true })
})
afterAll(async () => {
  await app.stop()
  await git.stop()
})

const hold = (isHeld: boolean): void => {
  const file = join(app.dataDir, 'robot', 'services', 'hold')
  if (isHeld) writeFileSync(file, '')
  else rmSync(file)
}
const uid = (version: string): string => `127.0.0.1/acme/slow/vm/${version}`
const isOver = (message: RegExp) => ({ status: 503, json: { code: 503, message: expect.stringMatching(message) } })

test('a request that waits for too long answers 503 and names the operation, which goes on', async () => {
  hold(true)
  const creation = await app.ask('POST /services', { body: { template: uid('1.0.0'), name: 'slow' } })
  expect(creation).toMatchObject(isOver(/operation [0-9a-f-]{36} is not finished/))
  expect(creation.headers.get('retry-after')).toBe('5')
  hold(false)
  await expect
    .poll(async () => (await app.ask('GET /services?name=slow')).json, { timeout: 20_000, interval: 50 })
    .toHaveLength(1)
  const [{ guid }] = (await app.ask('GET /services?name=slow')).json

  hold(true)
  await app.ask(`POST /services/${guid}/task_list`, { body: { action_name: 'work' } })
  const upgrade = await app.ask(`PUT /services/${guid}`, { body: { template: uid('2.0.0') } })
  expect(upgrade).toMatchObject(isOver(/operation [0-9a-f-]{36} is not finished/))
  hold(false)
  await expect
    .poll(async () => (await app.ask(`GET /services/${guid}`)).json.version, { timeout: 20_000, interval: 50 })
    .toBe('2.0.0')
  expect((await app.ask(`GET /services/${guid}/task_list?all=True`)).json).toMatchObject([{ state: 'ok' }])

  hold(true)
  const deletion = await app.ask(`DELETE /services/${guid}`)
  expect(deletion).toMatchObject(isOver(/operation [0-9a-f-]{36} is not finished/))
  expect(await app.ask(`DELETE /services/${guid}`)).toMatchObject({ status: 503, json: { message: deletion.json.message } })
  hold(false)
  await expect.poll(async () => (await app.ask(`GET /services/${guid}`)).status, { timeout: 20_000, interval: 50 }).toBe(404)
  await expect.poll(() => existsSync(join(app.dataDir, 'robot', 'services', guid)), { timeout: 20_000, interval: 50 }).toBe(false)
})

test('so does a blueprint', async () => {
  hold(true)
  const content = { services: [{ vm__late: null }], actions: { service: 'late', action: 'work' } }
  const answer = await app.ask('POST /blueprints', { body: { content } })
  expect(answer).toMatchObject(isOver(/operation [0-9a-f-]{36} is not finished/))
  expect(answer.headers.get('retry-after')).toBe('5')
  expect((await app.ask('GET /services?name=late')).json).toEqual([])
  hold(false)
  await expect
    .poll(async () => (await app.ask('GET /services?name=late')).json, { timeout: 20_000, interval: 50 })
    .toHaveLength(1)
})

test('a running task keeps an upgrade waiting for 300 s, then it is cancelled', async () => {
  isImpatient = false
  const create = async (name: string): Promise<string> =>
    (await app.ask('POST /services', { body: { template: uid('1.0.0'), name } })).json.guid
  const [guid, other] = [await create('patient'), await create('other')]
  hold(true)
  const task = (await app.ask(`POST /services/${guid}/task_list`, { body: { action_name: 'work' } })).json.guid
  const state = async (id: string) => (await app.ask(`GET /v1/operations/${id}`)).json.state
  await expect.poll(() => state(task), { timeout: 20_000, interval: 20 }).toBe('running')
  const asked = app.ask(`PUT /services/${guid}`, { body: { template: uid('2.0.0') } })
  const upgrade = async () => (await app.ask(`GET /v1/operations?kind=robot.upgrade&lane=robot:${guid}`)).json.items[0]?.state
  await expect.poll(upgrade, { timeout: 20_000, interval: 20 }).toBe('pending')
  aheadMs = 302_000
  // Whatever else is upgraded or deleted makes the service look again; by itself it looks once a minute.
  const deleted = app.ask(`DELETE /services/${other}`)
  await expect.poll(() => state(task), { timeout: 20_000, interval: 20 }).toBe('cancelled')
  hold(false)
  expect(await asked).toMatchObject({ status: 200, json: { version: '2.0.0' } })
  expect((await deleted).status).toBe(204)
})
