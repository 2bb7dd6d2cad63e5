import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GitServer, startGitServer, template } from '../../workers/robot/git-server.ts'
import { type Answer, startApp, type TestApp } from '../app.ts'

/*
 * Every status of every row, and every text that the contract fixes (sections 2, 3.2 and 5), in the order of the contract. What needs more
 * than one request has tests of its own: 503 in waits.test.ts, a missing git and git's failures in templates.test.ts, the reasons of
 * refusals in the tests of their rooms.
 */

let git: GitServer
let app: TestApp
let url = ''
/** A service that stays, and an ended task of it. */
let guid = ''
let task = ''
const uid = '127.0.0.1/acme/check/vm/1.0.0'
const later = '127.0.0.1/acme/check/vm/2.0.0'
const unknown = '01a22ec4-26d8-72e1-8752-99cce2817773'

beforeAll(async () => {
  git = await startGitServer()
  app = await startApp()
  const args = { start: { run: ['true'], args: { a: { required: true }, b: {} } } }
  const hooks = { validate: { run: ['sh', '-c', 'test "$INTENDANT_SERVICE_NAME" != bad || { echo not today >&2; exit 1; }'] } }
  const check = git.repository('check')
  for (const version of ['1.0.0', '2.0.0']) {
    check.commit({ ...template('vm', { version, actions: args, hooks }), ...template('node', {}) }, { branch: `v${version}` })
    await app.ask('POST /templates', { body: { url: check.url, branch: `v${version}` } })
  }
  const other = git.repository('other')
  other.commit(template('node', {}))
  await app.ask('POST /templates', { body: { url: other.url } })
  url = check.url
  guid = (await app.ask('POST /services', { body: { template: uid, name: 'one' } })).json.guid
  const twin = { content: { services: [{ [`${later}__one`]: null }] } }
  expect((await app.ask('POST /blueprints', { body: twin })).status).toBe(200)
  const added = await app.ask(`POST /services/${guid}/task_list`, { body: { action_name: 'start', args: { a: 1 } } })
  task = added.json.guid
  await app.ask(`GET /v1/operations/${task}?wait=60`)
})
afterAll(async () => {
  await app.stop()
  await git.stop()
})

const filled = (text: string): string => text.replaceAll('{guid}', guid).replaceAll('{task}', task).replaceAll('{url}', url)
const asked = (line: string, body: unknown): Promise<Answer> =>
  app.ask(filled(line), body === undefined ? {} : { raw: filled(JSON.stringify(body)) })

const ambiguous = "template with name 'node' is confusing, can't select template based only on its name, please use full UID"
const blueprint = (content: unknown) => ({ content })
const services = (key: string, data: unknown = null) => blueprint({ services: [{ [key]: data }] })
const action = (block: object) => blueprint({ actions: block })
const onOne = { service: 'one', template: uid }

type Row = [line: string, body: unknown, status: number, message?: string]

describe('what is done', () => {
  const rows: Row[] = [
    ['POST /blueprints', services(`${uid}__two`), 200],
    ['POST /blueprints', { content: {}, version: '0.0.1' }, 200],
    ['GET /templates', undefined, 200],
    ['POST /templates', { url: '{url}', branch: 'v1.0.0' }, 201],
    ['PUT /templates', { url: '{url}', branch: 'v1.0.0' }, 204],
    ['GET /services', undefined, 200],
    ['GET /services?name=one&template_uid=&colour=red', undefined, 200],
    ['POST /services', { template: uid, name: 'made', data: null, public: null, version: '0.0.1' }, 201],
    ['GET /services/{guid}', undefined, 200],
    ['PUT /services/{guid}', { template: uid }, 200],
    [`DELETE /services/${unknown}`, undefined, 204],
    ['GET /services/{guid}/actions', undefined, 200],
    ['GET /services/{guid}/task_list', undefined, 200],
    ['GET /services/{guid}/task_list?all=True', undefined, 200],
    ['POST /services/{guid}/task_list', { action_name: 'start', args: { a: 1 } }, 201],
    ['POST /services/{guid}/task_list', { action_name: 'save', args: null }, 201],
    ['GET /services/{guid}/task_list/{task}', undefined, 200],
    ['DELETE /services/{guid}/task_list/{task}', undefined, 204],
    ['GET /robot/info', undefined, 200],
    ['GET /robot/metrics', undefined, 200],
    ['GET /robot/webhooks', undefined, 200],
    ['POST /robot/webhooks', { url: 'http://127.0.0.1:9/', kind: 'eco' }, 201],
    [`DELETE /robot/webhooks/${unknown}`, undefined, 204],
    ['HEAD /', undefined, 200],
    ['HEAD /services/{guid}', undefined, 200],
    ['GET /metrics', undefined, 200],
  ]
  test.each(rows)('%s %j is %i', async (line, body, status) => {
    const answer = await asked(line, body)
    expect(answer, answer.text).toMatchObject({ status })
    if (status === 204) expect(answer.text).toBe('')
    else if (!['HEAD /', 'GET /metrics'].includes(line)) expect(answer.headers.get('content-type')).toBe('application/json')
  })

  test('what is created says where it is', async () => {
    const service = await asked('POST /services', { template: uid })
    expect(service.headers.get('location')).toBe(`/services/${service.json.guid}`)
    const added = await asked('POST /services/{guid}/task_list', { action_name: 'save' })
    expect(added.headers.get('location')).toBe(`/services/${guid}/task_list/${added.json.guid}`)
  })

  test('the native metrics have the series of the robot', async () => {
    const { text } = await app.ask('GET /metrics')
    expect(text).toMatch(/^robot_services_total \d+$/m)
    expect(text).toMatch(new RegExp(`^robot_tasks_waiting_total\\{service_guid="${guid}"\\} \\d+$`, 'm'))
    expect(text).toMatch(/^robot_tasks_latency_ms_count\{.*action_name="start".*\} \d+$/m)
  })
})

describe('what is refused', () => {
  const notService = (line: string, body?: unknown): Row => [line, body, 404, `service with guid '${unknown}' not found`]
  const notTask = (line: string): Row => [line, undefined, 404, `task with guid '${unknown}' not found`]
  const rows: Row[] = [
    ['POST /templates', { url: 7 }, 400, 'bad request body'],
    ['PUT /templates', { branch: 'v1.0.0' }, 400, 'bad request body'],
    ['POST /services', {}, 400, 'bad request body'],
    ['PUT /services/{guid}', {}, 400, 'bad request body'],
    ['POST /robot/webhooks', { url: 'http://127.0.0.1/', kind: 'other' }, 400, 'bad request body'],
    notService(`GET /services/${unknown}`),
    notService(`PUT /services/${unknown}`, { template: uid }),
    notService(`GET /services/${unknown}/actions`),
    notService(`GET /services/${unknown}/task_list`),
    notService(`POST /services/${unknown}/task_list`, { action_name: 'start' }),
    notService(`GET /services/${unknown}/task_list/${unknown}`),
    notService(`DELETE /services/${unknown}/task_list/${unknown}`),
    notTask(`GET /services/{guid}/task_list/${unknown}`),
    notTask(`DELETE /services/{guid}/task_list/${unknown}`),
    ['POST /services', { template: 'none' }, 400, "template 'none' not found"],
    ['POST /blueprints', services('none__x'), 404, "template 'none' not found"],
    ['PUT /services/{guid}', { template: `${uid}9` }, 404, `template '${uid}9' not found`],
    ['PUT /services/{guid}', { template: 'vm' }, 404, "template 'vm' not found"],
    ['POST /services', { template: 'a/b/c' }, 400, 'format of the template uid (a/b/c) not valid'],
    ['PUT /services/{guid}', { template: 'no$de' }, 400, 'format of the template uid (no$de) not valid'],
    ['POST /blueprints', action({ template: 'no$de', actions: 'start' }), 400, 'format of the template uid (no$de) not valid'],
    ['POST /blueprints', services('node$bad__x'), 400, 'Template uid not valid'],
    ['POST /services', { template: uid, name: 'one' }, 409, "a service with name 'one' already exists"],
    ['PUT /services/{guid}', { template: later }, 409, "a service with name 'one' already exists"],
    ['POST /services', { template: 'node' }, 400, ambiguous],
    ['POST /services', { template: 'node/0.0.1' }, 400, ambiguous],
    ['POST /blueprints', services('node__x'), 400, ambiguous],
    ['POST /services', { template: uid, name: 'bad' }, 400, `fail to create service bad ${uid}: not today`],
    ['POST /blueprints', services(`${uid}__bad`), 400, `fail to create service bad ${uid}: not today`],
    ['POST /services/{guid}/task_list', { action_name: 'none' }, 400, "action 'none' not found"],
    ['POST /services/{guid}/task_list', { action_name: 'constructor' }, 400, "action 'constructor' not found"],
    ['POST /services/{guid}/task_list', { action_name: 'start' }, 400, 'parameter a is mandatory but not passed to in args'],
    [
      'POST /services/{guid}/task_list',
      { action_name: 'start', args: { z: 1, a: 1, c: 2 } },
      ...([400, 'arguments "c,z" are not present in the signature of the action'] as const),
    ],
    ['POST /blueprints', action({ ...onOne, actions: ['none'] }), 400, "action 'none' not found"],
    [
      'POST /blueprints',
      action({ ...onOne, actions: ['start'] }),
      ...([400, 'bad action argument for action start: parameter a is mandatory but not passed to in args'] as const),
    ],
    [
      'POST /blueprints',
      action({ ...onOne, action: 'start', args: { a: 1, z: 2 } }),
      ...([400, 'bad action argument for action start: arguments "z" are not present in the signature of the action'] as const),
    ],
    [
      'POST /blueprints',
      services('vm_one'),
      ...([400, "Key for service creation is not right format, needs to be '$template__$instance', found:'vm_one'"] as const),
    ],
    [
      'POST /blueprints',
      services(`${uid}__a b`),
      ...([400, 'Service name should be digits or alphanumeric. you passed [a b]'] as const),
    ],
    ['POST /blueprints', action({ service: 'one' }), 400, 'need to specify action key in action block'],
    ['GET /services/{guid}/logs', undefined, 400, 'god mode is not enabled on the service, you cannot read the logs'],
  ]
  test.each(rows)('%s %j is %i %s', async (line, body, status, message) => {
    expect(await asked(line, body)).toMatchObject({ status, json: { code: status, message } })
  })

  const free: Row[] = [
    ['POST /blueprints', {}, 400],
    ['POST /blueprints', blueprint('services: []'), 400],
    ['POST /blueprints', blueprint({ services: {} }), 400],
    ['POST /blueprints', blueprint({ services: [{ [`${uid}__x`]: 7 }] }), 400],
    ['POST /blueprints', blueprint({ actions: 'start' }), 400],
    ['POST /blueprints', action({ ...onOne, actions: 'start', args: [] }), 400],
    ['POST /services/{guid}/task_list', {}, 400],
    ['POST /services/{guid}/task_list', { action_name: 'start', args: [] }, 400],
    ['PUT /services/{guid}', { template: '127.0.0.1/acme/check/node/0.0.1' }, 400],
    ['PUT /templates', { url: 'http://127.0.0.1/acme/never' }, 404],
    ['POST /templates', { url: 'http://127.0.0.1:9/acme/never' }, 500],
    ['PUT /templates', { url: '{url}', branch: 'missing' }, 500],
    ['GET /services/', undefined, 404],
    ['GET /blueprints', undefined, 405],
    ['PATCH /services/{guid}', undefined, 405],
    ['OPTIONS /services', undefined, 405],
    ['GET /robot/webhooks/1', undefined, 405],
  ]
  test.each(free)('%s %j is %i in the words of the server', async (line, body, status) => {
    const answer = await asked(line, body)
    expect(answer).toMatchObject({ status, json: { code: status, message: expect.stringMatching(/./) } })
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect('stack_trace' in answer.json).toBe(status === 500)
    if (status === 405) expect(answer.headers.get('allow')).toMatch(/^[A-Z]+(, [A-Z]+)*$/)
  })

  test.each(['/blueprints', '/services', '/templates', '/robot/webhooks', '/services/{guid}/task_list'])(
    'POST %s without a JSON object is 400',
    async (path) => {
      for (const raw of ['', '{', '[]', 'null', '7', '"text"'])
        expect(await app.ask(`POST ${filled(path)}`, { raw }), raw).toMatchObject({ status: 400, json: { code: 400 } })
    },
  )

  test('a refused upgrade of templates says it twice', async () => {
    expect((await asked('PUT /templates', { url: 7 })).json).toEqual({
      ...{ code: 400, message: 'bad request body', errors: 'bad request body' },
    })
  })

  test('refusals leave nothing behind', async () => {
    const names = (await app.ask('GET /services')).json.map(({ name }: { name: string }) => name)
    for (const name of ['x', 'bad', 'a b']) expect(names).not.toContain(name)
    expect((await app.ask(`GET /services/${guid}`)).json.version).toBe('1.0.0')
  })
})
