import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GitServer, startGitServer, template } from '../../workers/robot/git-server.ts'
import { startApp, type TestApp } from '../app.ts'
import { models, pythonClient } from './python-client.ts'

const say = (reply: object): readonly string[] => ['sh', '-c', `echo told >&2; echo '${JSON.stringify(reply)}'`]
const actions = {
  start: { run: say({ result: [1, 'ä'], state: [{ category: 'actions', tag: 'start', state: 'ok' }] }) },
  resize: { run: say({ result: false }), args: { size: { required: true } } },
  fail: { run: ['sh', '-c', `echo 'no luck' >&2; exit 3`] },
}
const uid = '127.0.0.1/acme/zrobot/node/0.0.1'

let git: GitServer
let url: string
beforeAll(async () => {
  git = await startGitServer()
  const repository = git.repository('zrobot')
  repository.commit(template('node', { schema: { type: 'object', properties: { name: { type: 'string' } } }, actions }))
  url = repository.url
})
afterAll(() => git.stop())

type Client = ReturnType<typeof pythonClient>

/** `TaskProxy.wait`: asks for the task until its state is an end. */
const ended = async (client: Client, guid: string, task: string) => {
  const get = () => client.expect(200, 'GET', `/services/${guid}/task_list/${task}`)
  await expect.poll(async () => (await get()).state, { timeout: 60_000 }).toMatch(/^(ok|error)$/)
  return get()
}

/** Tasks as `ServiceProxy` schedules and reads them. */
const schedules = async (client: Client, guid: string): Promise<void> => {
  const tasks = `/services/${guid}/task_list`
  const started = await client.expect(201, 'POST', tasks, { body: { action_name: 'start' } })
  expect(started).toMatchObject({ ...models.task, action_name: 'start', template_name: 'node', service_guid: guid, state: 'new' })
  const done = await ended(client, guid, started.guid)
  expect(done).toMatchObject({ ...models.task, state: 'ok', duration: expect.any(Number) })
  expect(JSON.parse(done.result)).toEqual([1, 'ä'])
  const resized = await client.expect(201, 'POST', tasks, { body: { action_name: 'resize', args: { size: 3 } } })
  expect(JSON.parse((await ended(client, guid, resized.guid)).result)).toBe(false)
  const failed = await client.expect(201, 'POST', tasks, { body: { action_name: 'fail' } })
  const { eco, state } = await ended(client, guid, failed.guid)
  expect({ eco, state }).toMatchObject({ state: 'error', eco: { ...models.eco, errormessage: 'no luck' } })
  expect(await client.expect(200, 'GET', tasks, { params: { all: false } })).toEqual([])
  expect(await client.expect(200, 'GET', tasks, { params: { all: true } })).toMatchObject([
    ...[started, resized, failed].map((task) => ({ ...models.task, guid: task.guid })),
  ])
  const names = (await client.expect(200, 'GET', `/services/${guid}/actions`)).map(({ name }: { name: string }) => name)
  expect(names).toEqual(['delete', 'fail', 'resize', 'start', 'update_data'])
  const shown = await client.expect(200, 'GET', `/services/${guid}`)
  expect(shown).toMatchObject({ ...models.service, state: [{ category: 'actions', tag: 'start', state: 'ok' }] })
  await client.expect(404, 'GET', `${tasks}/nothing`)
  await client.expect(204, 'DELETE', `${tasks}/${failed.guid}`)
}

describe('the client of 0.5 and before', () => {
  let app: TestApp
  let client: Client
  beforeAll(async () => {
    app = await startApp()
    const { token } = await app.app.ports.credentials.add({ name: 'robot', scopes: ['robot:write'] })
    client = pythonClient(app.url, { Authorization: `Bearer ${token}` })
  })
  afterAll(() => app.stop())

  test('looks whether a robot is there', async () => {
    expect(await pythonClient(app.url).call('HEAD', '/')).toMatchObject({ status: 200 })
    await pythonClient(app.url).expect(401, 'GET', '/services')
  })

  test('adds a template repository, and lists its templates', async () => {
    const added = await client.expect(201, 'POST', '/templates', { body: { url, branch: 'master' } })
    expect(added).toEqual([expect.objectContaining({ ...models.template, uid })])
    expect(await client.expect(200, 'GET', '/templates')).toEqual(added)
    await client.expect(204, 'PUT', '/templates', { body: { url, branch: 'master' } })
  })

  test('creates a service and works with it', async () => {
    const body = { template: uid, version: '0.0.1', name: 'node é', data: { name: 'ü' } }
    const service = await client.expect(201, 'POST', '/services', { body })
    expect(service).toMatchObject({ ...models.service, name: 'node é', template: uid })
    await client.expect(409, 'POST', '/services', { body })
    const found = await client.expect(200, 'GET', '/services', {
      params: { name: 'node é', template_uid: uid, template_host: null },
    })
    expect(found).toEqual([service])
    expect(await client.expect(200, 'GET', '/services', { params: { name: 'None' } })).toEqual([])
    await schedules(client, service.guid)
    await client.expect(200, 'PUT', `/services/${service.guid}`, { body: { template: uid } })
    await client.expect(204, 'DELETE', `/services/${service.guid}`)
    await client.expect(404, 'GET', `/services/${service.guid}`)
  })

  test('executes a blueprint', async () => {
    const content = {
      services: [{ [`${uid}__node1`]: { name: 'x' } }, { [`${uid}__node2`]: null }],
      actions: { actions: ['start'], template: uid },
    }
    const tasks = await client.expect(200, 'POST', '/blueprints', { body: { content } })
    expect(tasks).toMatchObject(['node1', 'node2'].map((name) => ({ ...models.task, service_name: name, action_name: 'start' })))
  })
})

describe('the client of 0.6 and later', () => {
  let app: TestApp
  let base: string
  beforeAll(async () => {
    app = await startApp({ ROBOT_GOD_MODE: 'true' })
    base = `${app.url}/zrobot/0.9`
  })
  afterAll(() => app.stop())

  /** It sends all secrets that it knows, and what stands for the one of the operator: with none of them it is `None`. */
  const withSecrets = (...secrets: readonly string[]): Client =>
    pythonClient(base, { ZrobotSecret: `Bearer ${secrets.join(' ')} None`.trim() })

  test('looks whether a robot is there, and creates a service and works with it', async () => {
    const client = pythonClient(base)
    expect(await client.expect(200, 'GET', '/services')).toEqual([])
    await client.expect(201, 'POST', '/templates', { body: { url, branch: 'master' } })
    const body = { template: uid, version: '0.0.1', public: false, name: 'mine' }
    const service = await client.expect(201, 'POST', '/services', { body })
    expect(service).toMatchObject({ ...models.service, secret: expect.any(String), public: false })
    expect((await client.expect(409, 'POST', '/services', { body })).code).toBe(409)
    expect((await client.expect(404, 'POST', '/services', { body: { ...body, template: 'nothing' } })).code).toBe(404)
    const mine = withSecrets(service.secret)
    const { secret: _secret, ...listed } = service
    expect(await mine.expect(200, 'GET', '/services', { params: { name: 'mine', template_uid: uid } })).toEqual([listed])
    await schedules(mine, service.guid)
    await mine.expect(401, 'GET', `/services/${service.guid}/logs`)
    await mine.expect(204, 'DELETE', `/services/${service.guid}`)
    await mine.expect(404, 'GET', `/services/${service.guid}`)
  })

  test('executes a blueprint, and keeps the secrets of what it created', async () => {
    const content = {
      services: [{ [`${uid}__one`]: null }, { [`${uid}__two`]: null }],
      actions: [{ actions: 'start', service: 'one' }],
    }
    const { tasks, services } = await pythonClient(base).expect(200, 'POST', '/blueprints', { body: { content } })
    expect(services).toMatchObject(['one', 'two'].map((name) => ({ ...models.service, name, secret: expect.any(String) })))
    expect(tasks).toMatchObject([{ ...models.task, service_name: 'one' }])
    const [one, two] = services
    await ended(withSecrets(two.secret, one.secret), one.guid, tasks[0].guid)

    const again = { content: { ...content, services: [] } }
    const refused = await withSecrets(two.secret).expect(401, 'POST', '/blueprints', { body: again })
    expect(refused.message).toBe("you are trying to schedule action on some services on which you don't have rights.")
    const updating = { content: { services: [{ [`${uid}__one`]: { name: 'new' } }] } }
    await withSecrets(two.secret).expect(401, 'POST', '/blueprints', { body: updating })
    const allowed = await withSecrets(one.secret).expect(200, 'POST', '/blueprints', { body: again })
    expect(allowed).toMatchObject({ tasks: [{ service_name: 'one' }], services: [] })
    expect(await withSecrets(one.secret).expect(200, 'POST', '/blueprints', { body: updating })).toEqual({
      tasks: [],
      services: [],
    })
  })

  test('sends the god token in every header', async () => {
    const god = (await app.ask('POST /v1/robot/god-token')).json.token
    const client = pythonClient(base, {
      ...{
        ZrobotUser: `Bearer ${god}`,
        ZrobotAdmin: `Bearer ${god}`,
        Authorization: `Bearer ${god}`,
        ZrobotSecret: `Bearer  ${god}`,
      },
    })
    const one = async () => (await client.expect(200, 'GET', '/services', { params: { name: 'one' } }))[0]
    await expect.poll(async () => (await one()).data, { timeout: 60_000 }).toEqual({ name: 'new' })
    const { guid } = await one()
    expect((await client.expect(200, 'GET', `/services/${guid}/logs`)).logs).toBe('told\ntold\n')
  })

  test('asks for the robot and sets its web hooks', async () => {
    const client = pythonClient(base)
    expect(await client.expect(200, 'GET', '/robot/info')).toMatchObject({ repositories: { data: { url: '' } } })
    expect((await client.expect(200, 'GET', '/robot/metrics')).nr_services).toBe(2)
    const hook = await client.expect(201, 'POST', '/robot/webhooks', { body: { url: 'http://127.0.0.1:9/', kind: 'eco' } })
    expect(await client.expect(200, 'GET', '/robot/webhooks')).toEqual([hook])
    await client.expect(204, 'DELETE', `/robot/webhooks/${hook.id}`)
  })
})
