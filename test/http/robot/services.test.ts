import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GitServer, startGitServer, template } from '../../workers/robot/git-server.ts'
import { startApp, type TestApp } from '../app.ts'

let git: GitServer
let app: TestApp
beforeAll(async () => {
  git = await startGitServer()
  app = await startApp()
  const repository = git.repository('templates')
  repository.commit({
    ...template('vm', {
      version: '1.0.0',
      schema: {
        type: 'object',
        properties: {
          memory: { type: 'integer', default: 512 },
          password: { type: 'string', 'x-secret': true },
        },
      },
    }),
    ...template('node', { version: '1.0.0' }),
  })
  await app.ask('POST /templates', { body: { url: repository.url } })
  repository.commit({ ...template('node', { version: '1.0.10' }) }, { branch: 'next' })
  await app.ask('POST /templates', { body: { url: repository.url, branch: 'next' } })
  const other = git.repository('other')
  other.commit({ ...template('node', { version: '1.0.0' }) })
  await app.ask('POST /templates', { body: { url: other.url } })
})
afterAll(async () => {
  await app.stop()
  await git.stop()
})

const vm = '127.0.0.1/acme/templates/vm/1.0.0'
const create = (body: unknown) => app.ask('POST /services', { body })
const appended = async (): Promise<readonly string[]> => {
  const { items } = (await app.ask('GET /v1/events?limit=1000')).json
  return items.map(({ stream }: { stream: string }) => stream).filter((stream: string) => /^(robot|operation-)/.test(stream))
}
const workDirectories = (): readonly string[] => {
  const folder = join(app.dataDir, 'robot', 'services')
  return existsSync(folder) ? readdirSync(folder) : []
}

describe('POST /services', () => {
  test('creates a service and answers 201 with its place', async () => {
    const answer = await create({ template: vm, name: 'first', data: { memory: 1 }, version: '0.0.1' })
    const { guid } = answer.json
    const shown = { template: vm, version: '1.0.0', guid, name: 'first', state: [], public: false, actions: [] }
    expect(answer).toMatchObject({ status: 201, json: shown })
    expect(answer.headers.get('location')).toBe(`/services/${guid}`)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await app.ask(`GET /services/${guid}`)).toMatchObject({ status: 200, json: shown })
    expect((await app.ask('GET /services')).json).toEqual(expect.arrayContaining([shown]))
    expect(workDirectories()).toContain(guid)
  })

  test.each([undefined, null, ''])('takes the guid for the name where the name is %j', async (name) => {
    const { json } = await create({ template: vm, name, data: null, public: true })
    expect(json).toMatchObject({ name: json.guid, public: true })
  })

  test.each([
    ['vm', vm],
    ['vm/1.0.0', vm],
    ['/127.0.0.1/acme/templates/vm/1.0.0/', vm],
    ['127.0.0.1/acme/templates/node', '127.0.0.1/acme/templates/node/1.0.10'],
    ['node/1.0.10', '127.0.0.1/acme/templates/node/1.0.10'],
  ])('resolves the template %s', async (text, uid) => {
    expect(await create({ template: text })).toMatchObject({ status: 201, json: { template: uid } })
  })

  test.each([
    ['a/b/c', 400, 'format of the template uid (a/b/c) not valid'],
    ['', 400, 'format of the template uid () not valid'],
    ['missing', 400, "template 'missing' not found"],
    ['127.0.0.1/acme/templates/vm/9.9.9', 400, "template '127.0.0.1/acme/templates/vm/9.9.9' not found"],
    ['node', 400, "template with name 'node' is confusing, can't select template based only on its name, please use full UID"],
    [
      'node/1.0.0',
      400,
      "template with name 'node' is confusing, can't select template based only on its name, please use full UID",
    ],
  ])('refuses the template %j', async (text, status, message) => {
    expect(await create({ template: text })).toMatchObject({ status, json: { code: status, message } })
  })

  test.each([
    [{}],
    [{ template: 7 }],
    [{ template: vm, name: 7 }],
    [{ template: vm, data: [] }],
    [{ template: vm, public: 1 }],
    [[]],
  ])('refuses %j', async (body) =>
    expect(await create(body)).toMatchObject({ status: 400, json: { code: 400, message: 'bad request body' } }),
  )

  test('refuses data that the schema of the template does not take', async () => {
    const before = workDirectories()
    expect(await create({ template: vm, name: 'unfit', data: { memory: 'much' } })).toMatchObject({
      status: 400,
      json: { message: 'data does not match the schema: /memory must be integer' },
    })
    expect(workDirectories()).toEqual(before)
    expect((await create({ template: vm, name: 'unfit' })).status).toBe(201)
  })

  test('refuses a name that another service has', async () => {
    expect((await create({ template: vm, name: 'taken' })).status).toBe(201)
    const before = await appended()
    expect(await create({ template: '127.0.0.1/acme/other/node/1.0.0', name: 'taken' })).toMatchObject({
      status: 409,
      json: { code: 409, message: "a service with name 'taken' already exists" },
    })
    expect(await appended()).toEqual(before)
  })

  test('of 50 requests for one name at a time one gets it', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => create({ template: vm, name: 'raced' })))
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 201)).toHaveLength(1)
    expect(statuses.filter((status) => status === 409)).toHaveLength(49)
    expect((await app.ask('GET /services?name=raced')).json).toHaveLength(1)
  })
})

test('under the same Idempotency-Key creates one service and gives the same answer', async () => {
  const ask = () => app.ask('POST /services', { body: { template: vm, name: 'keyed' }, headers: { 'Idempotency-Key': 'keyed' } })
  const first = await ask()
  expect(first.status).toBe(201)
  expect(await ask()).toMatchObject({ status: 201, json: first.json })
  expect((await app.ask('GET /services?name=keyed')).json).toHaveLength(1)
})

test('data never shows, and its secrets stand sealed in the log', async () => {
  const { json } = await create({ template: vm, name: 'secretive', data: { password: 's3cret word', memory: 4242 } })
  const shown = await Promise.all(
    [
      `GET /services/${json.guid}`,
      'GET /services',
      `GET /v1/operations/${json.guid}`,
      `GET /v1/streams/robotService-${json.guid}`,
    ].map((line) => app.ask(line)),
  )
  for (const { text } of shown) expect(text).not.toContain('s3cret')
  for (const { text } of shown.slice(0, 2)) expect(text).not.toContain('4242')
  expect((await app.ask(`GET /v1/operations/${json.guid}`)).json.input.create.data).toEqual({ password: '***', memory: 4242 })
  const subject = `robotService-${json.guid}`
  const subjects = async () => (await app.ask('GET /v1/secrets?limit=1000')).json.items
  expect(await subjects()).toEqual(expect.arrayContaining([expect.objectContaining({ subject, forgottenAt: null })]))
  await app.ask(`DELETE /services/${json.guid}`)
  expect((await subjects()).find((one: { subject: string }) => one.subject === subject).forgottenAt).not.toBeNull()
})

test('a member named __proto__ is one as any other', async () => {
  const raw = `{"template":"127.0.0.1/acme/other/node/1.0.0","data":{"__proto__":{"x":1}}}`
  const { json } = await app.ask('POST /services', { raw })
  expect((await app.ask(`GET /v1/streams/robotService-${json.guid}`)).text).toContain('"__proto__":{"x":1}')
})

describe('GET /services', () => {
  const names = async (query: string): Promise<readonly string[]> =>
    (await app.ask(`GET /services?${query}`)).json.map(({ name }: { name: string }) => name)

  test('filters exactly, by all that is given', async () => {
    const other = '127.0.0.1/acme/other/node/1.0.0'
    await create({ template: other, name: 'Filtered' })
    await create({ template: '127.0.0.1/acme/templates/node/1.0.10', name: 'filtered' })
    const of = async (query: string) => (await names(query)).filter((name) => name.toLowerCase() === 'filtered')
    for (const query of [
      '',
      'name=&template_uid=',
      'unknown=1',
      'template_host=127.0.0.1',
      'template_account=acme',
      'template_name=node',
    ])
      expect(await of(query)).toEqual(['Filtered', 'filtered'])
    for (const query of ['name=Filtered', `template_uid=${other}`, 'template_repo=other', 'template_version=1.0.0'])
      expect(await of(query)).toEqual(['Filtered'])
    expect(await names('name=filtered&template_repo=other')).toEqual([])
    expect(await names('template_uid=127.0.0.1/acme/other/node')).toEqual([])
  })

  test.each(['GET /services/missing', 'GET /services/019ab2c4-5b3e-7c1a-9d2f-3e4a5b6c7d8e'])('%s answers 404', async (line) => {
    const guid = line.slice('GET /services/'.length)
    expect(await app.ask(line)).toMatchObject({
      status: 404,
      json: { code: 404, message: `service with guid '${guid}' not found` },
    })
  })

  test('a trailing slash is another path, and other methods are not allowed', async () => {
    expect((await app.ask('GET /services/')).status).toBe(404)
    const answer = await app.ask('PATCH /services')
    expect(answer).toMatchObject({ status: 405, json: { code: 405 } })
    expect(answer.headers.get('allow')).toContain('POST')
  })
})

test('with the scope template a name is taken by services of the same template alone', async () => {
  const scoped = await startApp({ ROBOT_NAME_SCOPE: 'template' })
  await scoped.ask('POST /templates', { body: { url: `http://127.0.0.1:${git.port}/acme/other.git` } })
  await scoped.ask('POST /templates', { body: { url: `http://127.0.0.1:${git.port}/acme/templates.git` } })
  const ask = (of: string) => scoped.ask('POST /services', { body: { template: of, name: 'shared' } })
  expect((await ask(vm)).status).toBe(201)
  expect((await ask('127.0.0.1/acme/other/node/1.0.0')).status).toBe(201)
  expect((await ask(vm)).status).toBe(409)
  await scoped.stop()
})
