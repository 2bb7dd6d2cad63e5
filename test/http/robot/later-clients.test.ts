import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GitServer, startGitServer, template } from '../../workers/robot/git-server.ts'
import { type Answer, startApp, type TestApp } from '../app.ts'

const p = '/zrobot/0.9'
const uid = '127.0.0.1/acme/templates/vm/1.0.0'

let git: GitServer
let url = ''
let otherUrl = ''
beforeAll(async () => {
  git = await startGitServer()
  const repository = git.repository('templates')
  repository.commit({
    ...template('vm', {
      version: '1.0.0',
      schema: { type: 'object', properties: { size: { type: 'integer', default: 3 }, password: { 'x-secret': true } } },
      actions: {
        start: { run: ['sh', '-c', 'exit 0'] },
        fail: { run: ['sh', '-c', 'exit 3'], retry: { tries: 2, delay: 3600 } },
      },
    }),
    ...template('node', { version: '1.0.0' }),
  })
  const other = git.repository('other')
  other.commit({ ...template('node', { version: '1.0.0' }) })
  url = repository.url
  otherUrl = other.url
})
afterAll(() => git.stop())

const bearer = (...tokens: readonly string[]): string => `Bearer ${tokens.join(' ')}`
const secretHeader = (...tokens: readonly string[]) => ({ headers: { ZrobotSecret: bearer(...tokens) } })
const isUnauthorized = ({ status, text, headers }: Answer): void => {
  expect({ status, text }).toEqual({ status: 401, text: '{"code":401,"message":"Unauthorized Access"}' })
  expect(headers.get('www-authenticate')).toBe('Bearer realm="Authentication Required"')
}
const claimsOf = (token: string): unknown => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
const created = async (app: TestApp, body: object, headers: Readonly<Record<string, string>> = {}) => {
  const answer = await app.ask(`POST ${p}/services`, { body: { template: uid, version: '0.0.1', ...body }, headers })
  expect(answer).toMatchObject({ status: 201 })
  return { ...answer, secret: answer.json.secret as string, guid: answer.json.guid as string }
}

describe('without credentials and organisation', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startApp()
    expect((await app.ask(`POST ${p}/templates`, { body: { url } })).status).toBe(201)
    await app.ask(`POST ${p}/templates`, { body: { url: otherUrl } })
  })
  afterAll(() => app.stop())

  test('a created service comes with its secret, a token with exactly its guid', async () => {
    const { json, headers, secret, guid } = await created(app, { name: 'first', public: false, data: { password: 'pw' } })
    expect(json).toEqual({
      ...{ template: uid, version: '1.0.0', guid, name: 'first', state: [], public: false, actions: [] },
      secret,
    })
    expect(headers.get('location')).toBe(`${p}/services/${guid}`)
    expect(headers.get('content-type')).toBe('application/json')
    expect(claimsOf(secret)).toEqual({ service_guid: guid })
  })

  test('the list has services whose secrets are sent, and public ones', async () => {
    const [one, other, open] = [await created(app, {}), await created(app, {}), await created(app, { public: true })]
    const guids = async (...tokens: readonly string[]): Promise<readonly string[]> => {
      const { json, status } = await app.ask(`GET ${p}/services`, tokens.length === 0 ? {} : secretHeader(...tokens))
      expect(status).toBe(200)
      return json.map(({ guid }: { guid: string }) => guid)
    }
    expect(await guids()).toEqual([open.guid])
    expect(await guids('None')).toEqual([open.guid])
    expect(await guids(one.secret)).toEqual([one.guid, open.guid])
    expect(await guids(one.secret, 'None', '', other.secret)).toEqual([one.guid, other.guid, open.guid])
    const mine = await app.ask(`GET ${p}/services?name=${other.json.name}`, secretHeader(one.secret, other.secret))
    expect(mine.json).toMatchObject([{ guid: other.guid }])
    expect(mine.text).not.toContain('"secret"')
    expect((await app.ask('GET /services')).json.length).toBeGreaterThan(3)
    await app.ask(`DELETE /services/${open.guid}`)
  })

  test.each([
    'GET /services/{guid}',
    'GET /services/{guid}/actions',
    'GET /services/{guid}/task_list',
    'POST /services/{guid}/task_list',
    'GET /services/{guid}/task_list/01a22ec4-26d8-72e1-8752-99cce2817773',
    'DELETE /services/{guid}/task_list/01a22ec4-26d8-72e1-8752-99cce2817773',
  ])('%s needs the secret of the service', async (line) => {
    const [mine, other] = [await created(app, {}), await created(app, {})]
    const ask = (guid: string, options = {}) =>
      app.ask(line.replace(' ', ` ${p}`).replace('{guid}', guid), {
        ...(line.startsWith('POST') ? { body: { action_name: 'start' } } : {}),
        ...options,
      })
    isUnauthorized(await ask(mine.guid))
    isUnauthorized(await ask(mine.guid, secretHeader(other.secret)))
    isUnauthorized(await ask(mine.guid, secretHeader(mine.secret.slice(0, -1))))
    isUnauthorized(await ask(mine.guid, { headers: { ZrobotSecret: mine.secret } }))
    isUnauthorized(await ask('01a22ec4-26d8-72e1-8752-99cce2817770'))
    const expected = line.startsWith('POST') ? 201 : line.includes('01a22ec4') ? 404 : 200
    expect((await ask(mine.guid, secretHeader(other.secret, mine.secret))).status).toBe(expected)
    expect((await ask(mine.guid, { headers: { zrobotsecret: `bearer  ${mine.secret}` } })).status).toBe(expected)
    const open = await created(app, { public: true })
    expect((await ask(open.guid)).status).toBe(expected)
    await app.ask(`DELETE /services/${open.guid}`)
  })

  test('the secret of a deleted service says that there is none', async () => {
    const { guid, secret } = await created(app, {})
    expect(await app.ask(`DELETE ${p}/services/${guid}`)).toMatchObject({ status: 204, text: '' })
    expect(await app.ask(`GET ${p}/services/${guid}`, secretHeader(secret))).toMatchObject({
      ...{ status: 404, json: { code: 404, message: `service with guid '${guid}' not found` } },
    })
  })

  test('a task that waits for its next try runs, in the words of later clients', async () => {
    const { guid, secret } = await created(app, {})
    const tasks = `/services/${guid}/task_list`
    const added = await app.ask(`POST ${p}${tasks}`, { body: { action_name: 'fail' }, ...secretHeader(secret) })
    expect(added.headers.get('location')).toBe(`${p}${tasks}/${added.json.guid}`)
    const task = `${tasks}/${added.json.guid}`
    await expect.poll(async () => (await app.ask(`GET ${task}`)).json.state, { timeout: 30_000 }).toBe('error')
    expect((await app.ask(`GET ${p}${task}`, secretHeader(secret))).json.state).toBe('running')
    expect((await app.ask(`DELETE ${p}${task}`, secretHeader(secret))).status).toBe(204)
  })

  test('an unknown template is 404, an ambiguous one 409 with the code 4090', async () => {
    const create = (body: object) => app.ask(`POST ${p}/services`, { body })
    expect(await create({ template: 'nothing' })).toMatchObject({
      ...{ status: 404, json: { code: 404, message: "template 'nothing' not found" } },
    })
    const message = "template with name 'node' is confusing, can't select template based only on its name, please use full UID"
    for (const text of ['node', 'node/1.0.0'])
      expect(await create({ template: text })).toMatchObject({ status: 409, json: { code: 4090, message } })
    expect(await create({ template: 'a/b/c' })).toMatchObject({
      ...{ status: 400, json: { message: 'format of the template uid (a/b/c) not valid' } },
    })
    await created(app, { name: 'taken' })
    expect(await create({ template: uid, name: 'taken' })).toMatchObject({
      ...{ status: 409, json: { code: 409, message: "a service with name 'taken' already exists" } },
    })
  })

  test('services are not upgraded one by one', async () => {
    const { guid, secret } = await created(app, {})
    const answer = await app.ask(`PUT ${p}/services/${guid}`, { body: { template: uid }, ...secretHeader(secret) })
    expect(answer).toMatchObject({ status: 405, json: { code: 405 } })
    expect(answer.headers.get('allow')).toBe('GET, HEAD, DELETE')
  })

  test('a kept answer is given to whoever sent the same headers, and no secret stands in the log', async () => {
    const keyed = { 'Idempotency-Key': 'create-one' }
    const first = await created(app, { name: 'keyed' }, keyed)
    expect((await created(app, { name: 'keyed' }, keyed)).text).toBe(first.text)
    const other = await app.ask(`POST ${p}/services`, {
      ...{ body: { template: uid, version: '0.0.1', name: 'keyed' }, headers: { ...keyed, ZrobotUser: 'Bearer other' } },
    })
    expect(other.status).toBe(409)
    const events = await app.ask('GET /v1/events?limit=1000')
    expect(events.text).not.toContain(first.secret)
    expect(events.text).not.toContain(Buffer.from(first.secret).toString('base64').slice(8, 60))
  })

  test('the same rows as under the paths of the seed', async () => {
    expect((await app.ask(`GET ${p}/templates`)).text).toBe((await app.ask('GET /templates')).text)
    expect((await app.ask(`GET ${p}/robot/info`)).text).toBe((await app.ask('GET /robot/info')).text)
    expect(Object.keys((await app.ask(`GET ${p}/robot/metrics`)).json)).toEqual(['cpu', 'memory', 'nr_services'])
    const hook = { url: 'http://127.0.0.1:9/', kind: 'eco' }
    const { json } = await app.ask(`POST ${p}/robot/webhooks`, { body: hook })
    expect((await app.ask(`GET ${p}/robot/webhooks`)).json).toEqual([json])
    expect((await app.ask(`DELETE ${p}/robot/webhooks/${json.id}`)).status).toBe(204)
    expect((await app.ask(`PUT ${p}/templates`, { body: { url: 'http://127.0.0.1/a/unknown' } })).status).toBe(404)
    expect(await app.ask(`GET ${p}/nothing`)).toMatchObject({ status: 404, json: { code: 404 } })
    expect(await app.ask(`PATCH ${p}/templates`)).toMatchObject({ status: 405 })
  })

  test('logs need god mode', async () => {
    const { guid, secret } = await created(app, {})
    expect(await app.ask(`GET ${p}/services/${guid}/logs`, secretHeader(secret))).toMatchObject({
      ...{ status: 400, json: { message: 'god mode is not enabled on the service, you cannot read the logs' } },
    })
  })

  test('secrets outlive the server', async () => {
    const { guid, secret } = await created(app, {})
    await app.app.stop()
    app = await startApp({}, { dataDir: app.dataDir })
    expect((await app.ask(`GET ${p}/services/${guid}`, secretHeader(secret))).status).toBe(200)
  })
})

describe('with credentials', () => {
  let app: TestApp
  let token = ''
  let reader = ''
  const authorized = () => ({ headers: { Authorization: bearer(token) } })
  beforeAll(async () => {
    app = await startApp()
    const { credentials } = app.app.ports
    token = (await credentials.add({ name: 'robot', scopes: ['robot:write'] })).token ?? ''
    reader = (await credentials.add({ name: 'reader', scopes: ['robot:read'] })).token ?? ''
    await app.ask('POST /templates', { body: { url }, ...authorized() })
  })
  afterAll(() => app.stop())

  const guarded = [
    'POST /blueprints',
    'GET /templates',
    'POST /templates',
    'PUT /templates',
    'POST /services',
    'DELETE /services/01a22ec4-26d8-72e1-8752-99cce2817773',
    'GET /robot/info',
    'GET /robot/metrics',
    'GET /robot/webhooks',
    'POST /robot/webhooks',
    'DELETE /robot/webhooks/1',
  ]

  test.each(guarded)('%s needs them in any of the headers', async (line) => {
    const ask = (headers?: Readonly<Record<string, string>>) => app.ask(line.replace(' ', ` ${p}`), headers && { headers })
    isUnauthorized(await ask())
    for (const name of ['ZrobotSecret', 'ZrobotAdmin', 'ZrobotUser', 'Authorization'])
      isUnauthorized(await ask({ [name]: bearer('wrong') }))
    isUnauthorized(await ask({ ZrobotAdmin: token }))
    for (const name of ['ZrobotSecret', 'ZrobotAdmin', 'ZrobotUser', 'Authorization']) {
      const { status } = await ask({ [name]: bearer(token) })
      expect(status, name).not.toBe(401)
      expect(status, name).not.toBe(403)
    }
    expect((await ask({ ZrobotUser: bearer(token), Authorization: bearer('an.other.one') })).status).not.toBe(401)
    const basic = `Basic ${Buffer.from(`robot:${token}`).toString('base64')}`
    expect((await ask({ Authorization: basic })).status).not.toBe(401)
    if (!line.startsWith('GET'))
      expect(await ask({ ZrobotUser: bearer(reader) })).toMatchObject({ status: 403, json: { code: 403 } })
  })

  test('show every service, and open each', async () => {
    const { guid, secret } = await created(app, {}, { ZrobotAdmin: bearer(token) })
    const other = await created(app, {}, { ZrobotAdmin: bearer(token) })
    const list = async (headers: Readonly<Record<string, string>>) => (await app.ask(`GET ${p}/services`, { headers })).json
    expect(await list({ ZrobotSecret: bearer('None', token) })).toMatchObject([{ guid }, { guid: other.guid }])
    expect(await list({ Authorization: bearer(reader) })).toHaveLength(2)
    expect(await list({ ZrobotSecret: bearer(secret) })).toMatchObject([{ guid }])
    expect(await list({})).toEqual([])
    expect((await app.ask(`GET ${p}/services/${guid}`, { headers: { ZrobotUser: bearer(reader) } })).status).toBe(200)
    expect((await app.ask(`GET ${p}/services/${guid}`, secretHeader(secret))).status).toBe(200)
    isUnauthorized(await app.ask(`GET ${p}/services/${guid}`, secretHeader(other.secret)))
  })

  test('are not needed by holders of a secret, and take nothing from it', async () => {
    const { guid, secret } = await created(app, {}, { ZrobotAdmin: bearer(token) })
    const add = (headers: Readonly<Record<string, string>>) =>
      app.ask(`POST ${p}/services/${guid}/task_list`, { body: { action_name: 'start' }, headers })
    expect((await add({ ZrobotSecret: bearer(secret) })).status).toBe(201)
    expect((await add({ ZrobotSecret: bearer(secret), Authorization: bearer(reader) })).status).toBe(201)
    expect((await add({ ZrobotSecret: bearer(secret), Authorization: bearer('wrong') })).status).toBe(201)
    expect((await add({ Authorization: bearer(reader) })).status).toBe(403)
    isUnauthorized(await add({}))
    for (const line of ['GET /robot/info', 'GET /robot/metrics'])
      expect((await app.ask(line.replace(' ', ` ${p}`), secretHeader(secret))).status).toBe(200)
    isUnauthorized(await app.ask(`GET ${p}/templates`, secretHeader(secret)))
    isUnauthorized(await app.ask(`DELETE ${p}/services/${guid}`, secretHeader(secret)))
    isUnauthorized(await app.ask(`GET /services/${guid}`, secretHeader(secret)))
  })

  test('the actor of what a guest does is told by the secret alone', async () => {
    const { guid, secret } = await created(app, {}, { ZrobotAdmin: bearer(token) })
    const { json } = await app.ask(`POST ${p}/services/${guid}/task_list`, {
      ...{ body: { action_name: 'start' }, ...secretHeader(secret) },
    })
    for await (const { metadata } of app.app.ports.log.readStream(`operation-${json.guid}`, { limit: 1 })) {
      expect(metadata.actor).toMatchObject({ principal: expect.stringMatching(/^zrobot:[0-9a-f]{16}$/), face: 'robot' })
    }
  })
})

test('with an organisation and no credentials nobody is one of it', async () => {
  const app = await startApp({ ROBOT_ORGANIZATION: 'acme' })
  for (const line of ['GET /templates', 'POST /services', 'GET /robot/webhooks'])
    isUnauthorized(await app.ask(line.replace(' ', ` ${p}`), { headers: { ZrobotUser: bearer('a.b.c') } }))
  expect((await app.ask(`GET ${p}/services`)).json).toEqual([])
  expect((await app.ask(`GET ${p}/robot/info`)).status).toBe(200)
  await app.stop()
})

describe('god mode', () => {
  let app: TestApp
  let god = ''
  beforeAll(async () => {
    app = await startApp({ ROBOT_GOD_MODE: 'true', ROBOT_ORGANIZATION: 'acme' })
    god = (await app.ask('POST /v1/robot/god-token')).json.token
  })
  afterAll(() => app.stop())

  test('the god token opens everything, and shows data with its secrets masked', async () => {
    expect(claimsOf(god)).toEqual({ authentication: 'god_token' })
    const headers = { ZrobotUser: bearer(god), ZrobotAdmin: bearer(god), Authorization: bearer(god) }
    expect((await app.ask(`POST ${p}/templates`, { body: { url }, headers })).status).toBe(201)
    const { guid, secret } = await created(app, { data: { password: 'pw' } }, headers)
    const data = { size: 3, password: '***' }
    const sent = secretHeader('', god)
    expect((await app.ask(`GET ${p}/services/${guid}`, sent)).json).toMatchObject({ guid, data })
    expect((await app.ask(`GET ${p}/services`, sent)).json).toMatchObject([{ guid, data }])
    expect((await app.ask(`GET ${p}/services/${guid}/logs`, sent)).json).toEqual({ logs: '' })
    expect((await app.ask(`GET ${p}/services/1/logs`, sent)).status).toBe(404)
    for (const path of ['/services', `/services/${guid}`])
      expect((await app.ask(`GET ${p}${path}`, secretHeader(secret))).text).not.toContain('"data"')
    isUnauthorized(await app.ask(`GET ${p}/services/${guid}/logs`, secretHeader(secret)))
    isUnauthorized(await app.ask(`GET ${p}/services/${guid}/logs`))
    expect((await app.ask(`GET /services/${guid}`, sent)).text).not.toContain('"data"')
  })

  test('a forgotten key makes it worthless', async () => {
    expect((await app.ask('DELETE /v1/secrets/robotSecrets')).status).toBe(200)
    isUnauthorized(await app.ask(`GET ${p}/templates`, { headers: { ZrobotUser: bearer(god) } }))
    god = (await app.ask('POST /v1/robot/god-token')).json.token
    expect((await app.ask(`GET ${p}/templates`, { headers: { ZrobotUser: bearer(god) } })).status).toBe(200)
  })

  test('without it there is no god token, and an old one opens nothing', async () => {
    const { dataDir } = app
    await app.app.stop()
    app = await startApp({ ROBOT_ORGANIZATION: 'acme' }, { dataDir })
    expect((await app.ask('POST /v1/robot/god-token')).status).toBe(404)
    isUnauthorized(await app.ask(`GET ${p}/templates`, { headers: { ZrobotUser: bearer(god) } }))
    expect((await app.ask(`GET ${p}/services`, secretHeader(god))).json).toEqual([])
  })
})
