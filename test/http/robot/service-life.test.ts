import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GitServer, startGitServer, type TestRepository, template } from '../../workers/robot/git-server.ts'
import { startApp, type TestApp } from '../app.ts'

let git: GitServer
let app: TestApp
let repository: TestRepository
beforeAll(async () => {
  git = await startGitServer()
  app = await startApp()
  repository = git.repository('lives')
  repository.commit(versionOf('1.0.0', 'one'), { branch: 'one' })
  repository.commit(versionOf('2.0.0', 'two'), { branch: 'two' })
  for (const branch of ['one', 'two']) await app.ask('POST /templates', { body: { url: repository.url, branch } })
})
afterAll(async () => {
  await app.stop()
  await git.stop()
})

const versionOf = (version: string, label: string) => ({
  ...template('vm', {
    version,
    schema: {
      type: 'object',
      properties: {
        label: { type: 'string', default: label },
        ...(version === '1.0.0' ? {} : { added: { type: 'integer', default: 7 } }),
      },
    },
    actions: {
      show: { run: ['/bin/sh', '-c', 'cat > shown.json'] },
      wait: { run: ['/bin/sh', '-c', 'echo > waits; sleep 600'] },
      farewell: { run: ['/bin/sh', '-c', `echo bye >> "${'$'}{HOME}/../farewells"`] },
      fails: { run: ['/bin/sh', '-c', 'echo no >&2; exit 3'] },
    },
    hooks: {
      validate: { run: ['/bin/sh', '-c', 'test ! -e ../refuse || { echo not today >&2; exit 1; }'] },
      ...(version === '2.0.0' ? { delete: ['fails', 'farewell'] } : {}),
    },
  }),
  ...template('slow', { version, hooks: { validate: { run: ['/bin/sh', '-c', 'sleep 600'], timeout: 0 } } }),
  ...template('plain', { version, actions: { wait: { run: ['/bin/sh', '-c', 'echo > waits; sleep 600'] } } }),
})

const uid = (name: string, version: string): string => `127.0.0.1/acme/lives/${name}/${version}`
const folder = (guid: string): string => join(app.dataDir, 'robot', 'services', guid)
const create = async (name: string | undefined, version = '1.0.0', of = 'vm') =>
  (await app.ask('POST /services', { body: { template: uid(of, version), name } })).json
const put = (guid: string, text: string) => app.ask(`PUT /services/${guid}`, { body: { template: text } })
const begin = async (guid: string, action_name: string): Promise<string> =>
  (await app.ask(`POST /services/${guid}/task_list`, { body: { action_name } })).json.guid
const ended = (id: string) => app.ask(`GET /v1/operations/${id}?wait=30`)
const started = async (guid: string): Promise<void> => {
  await expect.poll(() => existsSync(join(folder(guid), 'waits')), { timeout: 20_000, interval: 20 }).toBe(true)
}
const shownData = async (guid: string) => {
  await ended(await begin(guid, 'show'))
  return JSON.parse(readFileSync(join(folder(guid), 'shown.json'), 'utf8')).data
}
/** Whether the validate hook refuses. */
const refusing = async <Result>(during: () => Promise<Result>): Promise<Result> => {
  const file = join(app.dataDir, 'robot', 'services', 'refuse')
  writeFileSync(file, '')
  try {
    return await during()
  } finally {
    rmSync(file)
  }
}

describe('POST /services', () => {
  test('answers 400 with the words of the validate hook, and nothing remains', async () => {
    await create('before')
    const body = { template: uid('vm', '1.0.0'), name: 'refused' }
    const answer = await refusing(() => app.ask('POST /services', { body }))
    expect(answer).toMatchObject({
      status: 400,
      json: { code: 400, message: `fail to create service refused ${uid('vm', '1.0.0')}: not today` },
    })
    expect((await app.ask('GET /services?name=refused')).json).toEqual([])
    expect(existsSync(folder(answer.headers.get('operation-id') ?? ''))).toBe(false)
    expect((await app.ask('POST /services', { body })).status).toBe(201)
  })
})

test('a creation that is cancelled leaves nothing', async () => {
  const before = readdirSync(join(app.dataDir, 'robot', 'services'))
  const asked = app.ask('POST /services', { body: { template: uid('slow', '1.0.0'), name: 'cancelled' } })
  const find = async () => (await app.ask('GET /v1/operations?kind=robot.validate&state=running')).json.items[0]?.id
  await expect.poll(find, { timeout: 20_000, interval: 20 }).toBeDefined()
  await app.ask(`POST /v1/operations/${await find()}/cancel`, { body: {} })
  expect(await asked).toMatchObject({
    status: 500,
    json: { code: 500, message: 'the creation of the service cancelled has ended: cancelled' },
  })
  expect(readdirSync(join(app.dataDir, 'robot', 'services'))).toEqual(before)
  expect((await app.ask('GET /services?name=cancelled')).json).toEqual([])
  expect((await create('cancelled', '1.0.0', 'plain')).name).toBe('cancelled')
})

describe('PUT /services/{guid}', () => {
  test('upgrades a service, fills new defaults, keeps its data and its tasks', async () => {
    const { guid } = await create('upgraded')
    expect(await shownData(guid)).toEqual({ label: 'one' })
    const answer = await put(guid, uid('vm', '2.0.0'))
    expect(answer).toMatchObject({
      status: 200,
      json: { guid, template: uid('vm', '2.0.0'), version: '2.0.0', name: 'upgraded' },
    })
    expect((await app.ask(`GET /services/${guid}`)).json).toEqual(answer.json)
    expect(await shownData(guid)).toEqual({ label: 'one', added: 7 })
    expect((await app.ask(`GET /services/${guid}/task_list?all=1`)).json).toHaveLength(2)
    expect((await put(guid, uid('vm', '1.0.0'))).json.version).toBe('1.0.0')
  })

  test('to the same version answers 200 and changes nothing', async () => {
    const { guid } = await create('same')
    const answer = await put(guid, `/${uid('vm', '1.0.0')}/`)
    expect(answer).toMatchObject({ status: 200, json: { template: uid('vm', '1.0.0') } })
    expect(answer.headers.get('operation-id')).toBeNull()
  })

  test('refuses in the order of the contract', async () => {
    const { guid } = await create('ordered')
    expect(await app.ask('PUT /services/missing', { body: { template: 7 } })).toMatchObject({
      status: 400,
      json: { code: 400, message: 'bad request body' },
    })
    expect(await put('missing', 'a/b/c')).toMatchObject({
      status: 404,
      json: { code: 404, message: "service with guid 'missing' not found" },
    })
    expect(await put(guid, 'a/b/c')).toMatchObject({
      status: 400,
      json: { message: 'format of the template uid (a/b/c) not valid' },
    })
    for (const text of ['vm', 'vm/2.0.0', '127.0.0.1/acme/lives/vm', uid('vm', '3.0.0'), uid('missing', '1.0.0')])
      expect(await put(guid, text)).toMatchObject({ status: 404, json: { message: `template '${text}' not found` } })
    expect(await put(guid, uid('plain', '2.0.0'))).toMatchObject({ status: 400, json: { code: 400 } })
  })

  test('refuses a name that another service of that version has', async () => {
    const { guid } = await create('twin')
    const content = { services: [{ [`${uid('vm', '2.0.0')}__twin`]: null }] }
    expect((await app.ask('POST /blueprints', { body: { content } })).status).toBe(200)
    expect(await put(guid, uid('vm', '2.0.0'))).toMatchObject({
      status: 409,
      json: { code: 409, message: "a service with name 'twin' already exists" },
    })
  })

  test('with a hook that refuses answers 200 and holds the tasks until it does not', async () => {
    const { guid } = await create('held')
    const task = await refusing(async () => {
      expect(await put(guid, uid('vm', '2.0.0'))).toMatchObject({ status: 200, json: { version: '2.0.0' } })
      const id = await begin(guid, 'show')
      const { json } = await app.ask(`GET /services/${guid}/task_list`)
      expect(json).toMatchObject([{ guid: id, state: 'new' }])
      // An upgrade takes the place of the validation that fails.
      expect(await put(guid, uid('vm', '1.0.0'))).toMatchObject({ status: 200, json: { version: '1.0.0' } })
      return id
    })
    expect((await app.ask(`GET /services/${guid}/task_list/${task}`)).json.state).toBe('new')
    expect((await put(guid, uid('vm', '2.0.0'))).status).toBe(200)
    expect((await ended(task)).json.state).toBe('succeeded')
  })
})

describe('DELETE /services/{guid}', () => {
  test('answers 204 for an unknown service', async () => {
    const answer = await app.ask('DELETE /services/missing')
    expect(answer).toMatchObject({ status: 204, text: '' })
  })

  test('removes the service with its folder and frees its name', async () => {
    const { guid } = await create('deleted')
    expect(await app.ask(`DELETE /services/${guid}`)).toMatchObject({ status: 204, text: '' })
    expect(await app.ask(`GET /services/${guid}`)).toMatchObject({ status: 404 })
    expect(existsSync(folder(guid))).toBe(false)
    expect((await app.ask(`DELETE /services/${guid}`)).status).toBe(204)
    expect((await create('deleted')).name).toBe('deleted')
  })

  test('without delete actions kills the running task and drops those that wait', async () => {
    const { guid } = await create('killed', '1.0.0', 'plain')
    const [running, waiting] = [await begin(guid, 'wait'), await begin(guid, 'wait')]
    await started(guid)
    expect((await app.ask(`DELETE /services/${guid}`)).status).toBe(204)
    for (const id of [running, waiting]) expect((await ended(id)).json.state).toBe('cancelled')
    expect((await app.ask(`GET /services/${guid}/task_list`)).status).toBe(404)
  })

  test('runs the delete actions in order, whatever becomes of them', async () => {
    const { guid } = await create('farewell', '2.0.0')
    const answer = await app.ask(`DELETE /services/${guid}`)
    expect(answer.status).toBe(204)
    expect(readFileSync(join(app.dataDir, 'robot', 'services', 'farewells'), 'utf8')).toBe('bye\n')
    expect((await ended(answer.headers.get('operation-id') ?? '')).json.result).toEqual({
      actions: ['fails', 'farewell'],
      failures: [{ action: 'fails', message: 'no' }],
    })
  })

  test('of a held service does not wait for its validation', async () => {
    const { guid } = await create('held and deleted')
    await refusing(async () => {
      expect((await put(guid, uid('vm', '2.0.0'))).status).toBe(200)
      expect((await app.ask(`DELETE /services/${guid}`)).status).toBe(204)
    })
  })

  test('twice at a time answers 204 twice', async () => {
    const { guid } = await create('twice', '2.0.0')
    const answers = await Promise.all([1, 2, 3].map(() => app.ask(`DELETE /services/${guid}`)))
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204])
  })

  test('as a task deletes the service when it is its turn', async () => {
    const { guid } = await create('task')
    await begin(guid, 'delete')
    await expect.poll(async () => (await app.ask(`GET /services/${guid}`)).status, { timeout: 20_000, interval: 50 }).toBe(404)
    await expect.poll(() => existsSync(folder(guid)), { timeout: 20_000, interval: 50 }).toBe(false)
  })
})

describe('PUT /templates', () => {
  test('upgrades the services of its templates, to a new commit of the same version too', async () => {
    const moving = git.repository('moving')
    const label = (text: string) =>
      template('vm', {
        schema: { type: 'object', properties: { [text]: { type: 'string', default: text } } },
        actions: { show: { run: ['/bin/sh', '-c', 'cat > shown.json'] } },
      })
    moving.commit(label('one'))
    await app.ask('POST /templates', { body: { url: moving.url } })
    const { json } = await app.ask('POST /services', { body: { template: '127.0.0.1/acme/moving/vm', name: 'moved' } })
    moving.commit(label('two'))
    expect((await app.ask('PUT /templates', { body: { url: moving.url } })).status).toBe(204)
    expect(await shownData(json.guid)).toEqual({ one: 'one', two: 'two' })
  })
})
