import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { type GitServer, startGitServer, type TestRepository, template } from '../../workers/robot/git-server.ts'
import { type Answer, startApp, type TestApp } from '../app.ts'

/** Waits of the contract, in milliseconds: they are over soon while programs wait. */
const waits = [90_000, 120_000, 300_000, 330_000]
const soonMs = 300
let areShort = false
const clock: Clock = {
  ...systemClock,
  after: (ms, run) => {
    const isWait = areShort && waits.some((wait) => ms <= wait && ms > wait - 1_000)
    return systemClock.after(isWait ? soonMs : ms, run)
  },
}

let git: GitServer
let app: TestApp
let repository: TestRepository
const uid = (version: string): string => `127.0.0.1/acme/waits/vm/${version}`
/** Programs wait while this file is there. */
const hold = (): string => join(app.dataDir, 'robot', 'services', 'hold')
const waiting = ['/bin/sh', '-c', 'while test -e ../hold; do sleep 0.05; done']

beforeAll(async () => {
  git = await startGitServer()
  app = await startApp({}, { clock })
  repository = git.repository('waits')
  const actions = { wait: { run: waiting }, farewell: { run: ['/bin/sh', '-c', 'exit 0'] } }
  const hooks = { validate: { run: waiting }, delete: ['farewell'] }
  for (const version of ['1.0.0', '2.0.0']) {
    repository.commit(template('vm', { version, actions, hooks }), { branch: `v${version}` })
    expect((await app.ask('POST /templates', { body: { url: repository.url, branch: `v${version}` } })).status).toBe(201)
  }
  expect((await create('first')).status).toBe(201)
})
afterAll(async () => {
  await app.stop()
  await git.stop()
})

const create = (name: string, prefix = '') => app.ask(`POST ${prefix}/services`, { body: { template: uid('1.0.0'), name } })

/** While programs wait: the answer, and what became of the operation that it names. */
const overdue = async (ask: () => Promise<Answer>): Promise<{ readonly answer: Answer; readonly state: string }> => {
  writeFileSync(hold(), '')
  areShort = true
  const answer = await ask().finally(() => {
    areShort = false
    rmSync(hold())
  })
  const id = answer.headers.get('operation-id') ?? ''
  expect(answer).toMatchObject({ status: 503, json: { code: 503, message: expect.stringContaining(id) } })
  expect(answer.headers.get('retry-after')).toBe('5')
  return { answer, state: (await app.ask(`GET /v1/operations/${id}?wait=60`)).json.state }
}

test.each(['', '/zrobot/0.9'])('POST %s/services', async (prefix) => {
  const name = `created${prefix.length}`
  expect((await overdue(() => create(name, prefix))).state).toBe('succeeded')
  await expect.poll(async () => (await app.ask(`GET /services?name=${name}`)).json, { timeout: 20_000 }).toHaveLength(1)
})

test('POST /blueprints', async () => {
  const body = { content: { services: [{ [`${uid('1.0.0')}__planned`]: null }] } }
  expect((await overdue(() => app.ask('POST /blueprints', { body }))).state).toBe('succeeded')
  await expect.poll(async () => (await app.ask('GET /services?name=planned')).json, { timeout: 20_000 }).toHaveLength(1)
})

test('PUT /services/{guid}', async () => {
  const { guid } = (await create('upgraded')).json
  const { state } = await overdue(async () => {
    await app.ask(`POST /services/${guid}/task_list`, { body: { action_name: 'wait' } })
    return app.ask(`PUT /services/${guid}`, { body: { template: uid('2.0.0') } })
  })
  expect(state).toBe('succeeded')
  await expect.poll(async () => (await app.ask(`GET /services/${guid}`)).json.version, { timeout: 20_000 }).toBe('2.0.0')
})

test('DELETE /services/{guid}', async () => {
  const { guid } = (await create('deleted')).json
  const { state } = await overdue(async () => {
    await app.ask(`POST /services/${guid}/task_list`, { body: { action_name: 'wait' } })
    await expect.poll(async () => (await app.ask(`GET /services/${guid}/task_list`)).json[0].state).toBe('running')
    return app.ask(`DELETE /services/${guid}`)
  })
  expect(state).toBe('succeeded')
  expect((await app.ask(`GET /services/${guid}`)).status).toBe(404)
})

test.each(['POST', 'PUT'])('%s /templates', async (method) => {
  const held = Promise.withResolvers<void>()
  git.before = () => held.promise
  const { state } = await overdue(() =>
    app.ask(`${method} /templates`, { body: { url: repository.url, branch: 'v1.0.0' } }).finally(() => {
      git.before = () => undefined
      held.resolve()
    }),
  )
  expect(state).toBe('succeeded')
})
