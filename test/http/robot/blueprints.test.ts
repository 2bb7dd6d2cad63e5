import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GitServer, startGitServer, template } from '../../workers/robot/git-server.ts'
import { startApp, type TestApp } from '../app.ts'

let git: GitServer
let app: TestApp

const say = '#!/bin/sh\necho "{\\"result\\": \\"$INTENDANT_ACTION $INTENDANT_SERVICE_NAME\\"}"\n'
const refuse = '#!/bin/sh\nif grep -q \'"bad":true\'; then echo "it is bad" >&2; exit 1; fi\n'
const node = {
  version: '0.0.1',
  schema: { type: 'object', properties: { size: { type: 'integer', default: 1 }, key: { type: 'string', 'x-secret': true } } },
  actions: {
    start: {},
    stop: {},
    resize: { args: { size: { required: true }, key: { schema: { type: 'string', 'x-secret': true } } } },
  },
  hooks: { validate: { run: ['./validate'] } },
}
const files = { 'actions/start': say, 'actions/stop': say, 'actions/resize': say, validate: refuse }

beforeAll(async () => {
  git = await startGitServer()
  app = await startApp()
  const one = git.repository('one')
  one.commit({
    ...template('node', node, files),
    ...template('vm', { version: '0.0.1', actions: { boot: {}, start: {} } }, { 'actions/boot': say, 'actions/start': say }),
    ...template('disk', {}),
    ...template('slow', { hooks: { validate: { run: ['/bin/sh', '-c', 'while test -e ../hold; do sleep 0.05; done'] } } }),
  })
  const other = git.repository('other')
  other.commit(template('disk', {}))
  for (const { url } of [one, other]) expect((await app.ask('POST /templates', { body: { url } })).status).toBe(201)
})
afterAll(async () => {
  await app.stop()
  await git.stop()
})

const uid = (name: string, version = '0.0.1'): string => `127.0.0.1/acme/one/${name}/${version}`
const post = (content: unknown, headers = {}) => app.ask('POST /blueprints', { body: { content }, headers })
const services = async (
  query = '',
): Promise<readonly { readonly guid: string; readonly name: string; readonly template: string }[]> =>
  (await app.ask(`GET /services${query}`)).json
const named = async (name: string) => services(`?name=${name}`)
const tasksOf = async (guid: string) => (await app.ask(`GET /services/${guid}/task_list?all=true`)).json
const isDone = async (guid: string, count: number) =>
  expect
    .poll(async () => (await tasksOf(guid)).map(({ state }: { state: string }) => state), { timeout: 30_000 })
    .toEqual(Array.from({ length: count }, () => 'ok'))

describe('POST /blueprints', () => {
  test('creates services and schedules their actions, and answers the tasks', async () => {
    const answer = await post({
      services: [{ [`${uid('node')}__a1`]: { size: 3 } }, { node__a2: null, vm__a3: {} }],
      actions: [{ service: 'a3', action: 'boot' }],
    })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/json')
    const [boot, ...others] = answer.json
    expect(others).toEqual([])
    const [a3] = await named('a3')
    expect(boot).toEqual({
      ...{ action_name: 'boot', template_name: 'vm', service_name: 'a3', service_guid: a3?.guid, state: 'new' },
      guid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      created: expect.any(Number),
    })
    expect((await services()).map(({ name }) => name)).toEqual(['a1', 'a2', 'a3'])
    await isDone(a3?.guid ?? '', 1)
    expect(await tasksOf(a3?.guid ?? '')).toMatchObject([{ guid: boot.guid, result: '"boot a3"' }])
  })

  test('answers tasks block by block, action by action, service by service', async () => {
    const answer = await post({
      services: [{ node__b1: null }, { node__b2: null }],
      actions: [
        { service: 'b2', actions: ['stop', ' start '] },
        { template: uid('node'), service: 'b1', actions: 'resize', args: { size: 2 } },
      ],
    })
    const shown = answer.json.map(({ action_name, service_name, args }: Record<string, unknown>) => [
      action_name,
      service_name,
      args,
    ])
    expect(shown).toEqual([
      ['stop', 'b2', undefined],
      ['start', 'b2', undefined],
      ['resize', 'b1', { size: 2 }],
    ])
  })

  test("takes the seed's form", async () => {
    const answer = await post({ node__c1: { size: 2 }, actions: { template: 'node', service: 'c1', action: 'start' } })
    expect(answer).toMatchObject({ status: 200, json: [{ action_name: 'start', service_name: 'c1' }] })
  })

  test('proposes the data to a service that is there, with a task that is not in the answer', async () => {
    await post({ services: [{ node__d1: { size: 2 } }] })
    const [d1] = await named('d1')
    expect(await post({ services: [{ node__d1: { size: 4 } }] })).toMatchObject({ status: 200, json: [] })
    expect(await post({ services: [{ [`${uid('node')}__d1`]: {} }] })).toMatchObject({ status: 200, json: [] })
    expect(await named('d1')).toHaveLength(1)
    await isDone(d1?.guid ?? '', 1)
    expect(await tasksOf(d1?.guid ?? '')).toMatchObject([{ action_name: 'update_data', args: { data: { size: 4 } } }])
  })

  test('creates a service of the same name where the template is another one', async () => {
    await post({ services: [{ node__e1: null }, { vm__e1: null }] })
    expect((await named('e1')).map((one) => one.template)).toEqual([uid('node'), uid('vm')])
  })

  test('answers the first answer again to the same Idempotency-Key, and queues anew without one', async () => {
    const blueprint = { services: [{ vm__f1: null }], actions: { service: 'f1', action: 'boot' } }
    const headers = { 'Idempotency-Key': 'once' }
    const first = await post(blueprint, headers)
    expect((await post(blueprint, headers)).json).toEqual(first.json)
    const third = await post(blueprint)
    expect(third.json).toHaveLength(1)
    expect(third.json[0].guid).not.toBe(first.json[0].guid)
  })

  test('makes one service where many ask for it at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => post({ vm__g1: { n }, actions: { service: 'g1', action: 'boot' } })),
    )
    expect(answers.map(({ status, text }) => [status, text.length > 2])).toEqual(answers.map(() => [200, true]))
    const [g1, ...others] = await named('g1')
    expect(others).toEqual([])
    await isDone(g1?.guid ?? '', 19)
  })

  test('shows no secrets', async () => {
    const answer = await post({
      services: [{ node__h1: { key: 'open sesame' } }],
      actions: { service: 'h1', action: 'resize', args: { size: 1, key: 'hush hush' } },
    })
    expect(answer).toMatchObject({ status: 200, json: [{ args: { size: 1, key: '***' } }] })
    for (const page of ['/v1/operations?kind=robot.blueprint', '/v1/operations?kind=robot.action', '/v1/events?limit=1000']) {
      const { status, text } = await app.ask(`GET ${page}`)
      expect(status).toBe(200)
      expect(text).not.toMatch(/open sesame|hush hush/)
    }
  })
})

describe('a blueprint that is refused', () => {
  const operations = async (): Promise<number> =>
    (await app.ask('GET /v1/operations?kind=robot.blueprint&limit=1000')).json.items.length
  const key = (one: string) => ({ services: [{ [one]: null }] })

  test.each<[unknown, number, string]>([
    [key('node_x1'), 400, "Key for service creation is not right format, needs to be '$template__$instance', found:'node_x1'"],
    [key('node__x1$bad'), 400, 'Service name should be digits or alphanumeric. you passed [x1$bad]'],
    [key('node$bad__x1'), 400, 'Template uid not valid'],
    [key('a/b/c__x1'), 400, 'Template uid not valid'],
    [{ actions: { template: 'node$bad', action: 'start' } }, 400, 'format of the template uid (node$bad) not valid'],
    [{ actions: { service: 'a1' } }, 400, 'need to specify action key in action block'],
    [{ services: {} }, 400, 'content/services has to be a list'],
    [{ actions: 'start' }, 400, 'content/actions has to be an object or a list of objects'],
    [{ actions: { action: 'start', args: [] } }, 400, 'content/actions/args has to be an object'],
    [key('nowhere__x1'), 404, "template 'nowhere' not found"],
    [key('127.0.0.1/acme/one/node/9.9.9__x1'), 404, "template '127.0.0.1/acme/one/node/9.9.9' not found"],
    [
      key('disk__x1'),
      400,
      "template with name 'disk' is confusing, can't select template based only on its name, please use full UID",
    ],
    [
      key('disk/0.0.1__x1'),
      400,
      "template with name 'disk' is confusing, can't select template based only on its name, please use full UID",
    ],
    [{ vm__x1: null, actions: { action: 'fly', service: 'x1' } }, 400, "action 'fly' not found"],
    [{ vm__x1: null, actions: { action: 'fly', template: 'vm' } }, 400, "action 'fly' not found"],
    [
      { node__x1: null, actions: { action: 'resize', service: 'x1' } },
      400,
      'bad action argument for action resize: parameter size is mandatory but not passed to in args',
    ],
    [
      { node__x1: null, actions: { action: 'start', service: 'x1', args: { b: 1, a: 1 } } },
      400,
      'bad action argument for action start: arguments "a,b" are not present in the signature of the action',
    ],
    [
      { node__x1: { size: 'big' } },
      400,
      `fail to create service x1 ${uid('node')}: data does not match the schema: /size must be integer`,
    ],
  ])('%j', async (content, status, message) => {
    const before = await operations()
    expect(await post(content)).toMatchObject({ status, json: { code: status, message } })
    expect(await named('x1')).toEqual([])
    expect(await operations()).toBe(before)
  })

  test.each([{}, { content: 'services: []' }, { content: null }, { content: [] }])('the body %j is 400', async (body) => {
    const { status, json } = await app.ask('POST /blueprints', { body })
    expect({ status, json }).toMatchObject({ status: 400, json: { code: 400, message: expect.stringContaining('/content') } })
  })

  test.each(['', 'services: []', '[]'])('a body that is no object is 400: %j', async (raw) =>
    expect(await app.ask('POST /blueprints', { raw })).toMatchObject({ status: 400, json: { code: 400 } }),
  )

  test('by the validate hook of one service leaves nothing of the others', async () => {
    const before = await services()
    const content = {
      services: [{ node__y1: null }, { node__y2: { bad: true } }, { node__y3: null }],
      actions: { action: 'start' },
    }
    const answer = await post(content)
    expect(answer).toMatchObject({
      status: 400,
      json: { code: 400, message: `fail to create service y2 ${uid('node')}: it is bad` },
    })
    expect(await services()).toEqual(before)
    const directory = join(app.dataDir, 'robot/services')
    expect(existsSync(directory) ? readdirSync(directory).sort() : []).toEqual(before.map(({ guid }) => guid).sort())
    // Their names are free.
    expect((await app.ask('POST /services', { body: { template: 'node', name: 'y1' } })).status).toBe(201)
  })
})

describe('a blueprint that is under way', () => {
  const hold = (): string => {
    const directory = join(app.dataDir, 'robot/services')
    mkdirSync(directory, { recursive: true })
    const file = join(directory, 'hold')
    writeFileSync(file, '')
    return file
  }
  const running = async (): Promise<readonly string[]> =>
    (await app.ask('GET /v1/operations?kind=robot.blueprint&state=running')).json.items.map(({ id }: { id: string }) => id)
  const isRunning = () => expect.poll(running, { timeout: 20_000, interval: 50 }).toHaveLength(1)

  test('and cancelled leaves nothing', async () => {
    const file = hold()
    const asked = post({ services: [{ slow__z1: null }, { vm__z2: null }] })
    await isRunning()
    const [id] = await running()
    expect((await app.ask(`POST /v1/operations/${id}/cancel`)).status).toBe(202)
    expect(await asked).toMatchObject({ status: 500, json: { code: 500, message: 'the blueprint has ended: cancelled' } })
    rmSync(file)
    expect([...(await named('z1')), ...(await named('z2'))]).toEqual([])
    expect(readdirSync(join(app.dataDir, 'robot/services'))).toHaveLength((await services()).length)
    for (const name of ['z1', 'z2'])
      expect((await app.ask('POST /services', { body: { template: 'vm', name } })).status).toBe(201)
  })

  test('while a service is deleted that its actions mean is 404, and creates nothing', async () => {
    const { guid } = (await app.ask('POST /services', { body: { template: 'vm', name: 'z3' } })).json
    const file = hold()
    const asked = post({ services: [{ slow__z4: null }], actions: { service: 'z3', action: 'boot' } })
    await isRunning()
    expect((await app.ask(`DELETE /services/${guid}`)).status).toBe(204)
    rmSync(file)
    expect(await asked).toMatchObject({ status: 404, json: { code: 404, message: `service with guid '${guid}' not found` } })
    expect(await named('z4')).toEqual([])
    expect((await app.ask('POST /services', { body: { template: 'vm', name: 'z4' } })).status).toBe(201)
  })
})

describe('under the paths of later clients', () => {
  const later = (content: unknown, tokens: readonly string[] = [], headers: Readonly<Record<string, string>> = {}) =>
    app.ask('POST /zrobot/0.9/blueprints', {
      body: { content },
      headers: { ...headers, ...(tokens.length === 0 ? {} : { ZrobotSecret: `Bearer ${tokens.join(' ')}` }) },
    })

  test('the answer has the tasks, and the created services with their secrets', async () => {
    const blueprint = { services: [{ node__l1: null }, { vm__l2: null }], actions: { service: 'l2', action: 'boot' } }
    const answer = await later(blueprint, [], { 'Idempotency-Key': 'later' })
    const [l1, l2] = [...(await named('l1')), ...(await named('l2'))]
    expect(answer).toMatchObject({
      status: 200,
      json: {
        tasks: [{ service_guid: l2?.guid, action_name: 'boot', state: 'new' }],
        services: [
          { ...l1, secret: expect.any(String) },
          { ...l2, secret: expect.any(String) },
        ],
      },
    })
    expect((await later(blueprint, [], { 'Idempotency-Key': 'later' })).json).toEqual(answer.json)
    const secret = answer.json.services[1].secret
    expect((await app.ask('GET /v1/events?limit=1000')).text).not.toContain(secret)

    // Its holder alone schedules on it.
    const again = { vm__l2: { n: 1 }, actions: { service: 'l2', action: 'boot' } }
    const refused = {
      status: 401,
      json: { code: 401, message: "you are trying to schedule action on some services on which you don't have rights." },
    }
    for (const content of [again, { actions: again.actions }, { vm__l2: again.vm__l2 }])
      expect(await later(content)).toMatchObject(refused)
    expect(await later({ actions: { action: 'boot' } }, [secret])).toMatchObject(refused)
    expect(await later(again, [secret])).toMatchObject({ status: 200, json: { tasks: [{ service_name: 'l2' }], services: [] } })
  })

  test('an ambiguous name is 409 with a code of its own', async () =>
    expect(await later({ disk__l3: null })).toMatchObject({ status: 409, json: { code: 4090 } }))

  test('an unknown template is 404', async () =>
    expect(await later({ nowhere__l3: null })).toMatchObject({ status: 404, json: { code: 404 } }))
})

test('a GET is 405', async () => expect(await app.ask('GET /blueprints')).toMatchObject({ status: 405, json: { code: 405 } }))
