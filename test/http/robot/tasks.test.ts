import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GitServer, startGitServer, template } from '../../workers/robot/git-server.ts'
import { type Answer, startApp, type TestApp } from '../app.ts'

let git: GitServer
let app: TestApp
beforeAll(async () => {
  git = await startGitServer()
  app = await startApp({ ROBOT_GOD_MODE: 'true' })
  const { url, commit } = git.repository('robots')
  commit(template('vm', { actions }))
  expect((await app.ask('POST /templates', { body: { url } })).status).toBe(201)
})
afterAll(async () => {
  await app.stop()
  await git.stop()
})

const shell = (script: string) => ({ run: ['sh', '-c', script] })
const forever = 'sleep 600'
const actions = {
  ok: shell(`echo working >&2; echo '{"result": {"n": 1}}'`),
  no: shell(`echo '{"result": false}'`),
  zero: shell(`echo '{"result": 0}'`),
  empty: shell(`echo '{"result": ""}'`),
  null: shell(`echo '{"result": null}'`),
  silent: shell('true'),
  fail: shell('echo broken >&2; exit 3'),
  forever: shell(forever),
  backsOff: { ...shell('exit 3'), retry: { tries: 2, delay: 3600 } },
  add: { ...shell('true'), args: { a: { required: true }, b: { default: [1] }, c: { schema: { type: 'string' } } } },
  any: { ...shell('true'), kwargs: true },
}

let count = 0
/** A new service of the template. */
const service = async (): Promise<{ readonly guid: string; readonly name: string; readonly tasks: string }> => {
  const name = `vm${++count}`
  const { json } = await app.ask('POST /services', { body: { template: 'vm', name } })
  return { guid: json.guid, name, tasks: `/services/${json.guid}/task_list` }
}
const post = (tasks: string, action_name: unknown, args?: unknown) => app.ask(`POST ${tasks}`, { body: { action_name, args } })
const started = async (tasks: string, action: string, args?: unknown): Promise<string> =>
  (await post(tasks, action, args)).json.guid
const until = async (id: string, state: string): Promise<void> => {
  let operation: Answer
  do operation = await app.ask(`GET /v1/operations/${id}`)
  while (operation.json.state !== state)
}
const ended = async (tasks: string, id: string): Promise<Answer> => {
  await app.ask(`GET /v1/operations/${id}?wait=60`)
  return app.ask(`GET ${tasks}/${id}`)
}
const run = async (tasks: string, action: string, args?: unknown): Promise<Answer> =>
  ended(tasks, await started(tasks, action, args))

test('lists actions by name: those of the manifest and the two that every service has', async () => {
  const { guid } = await service()
  const answer = await app.ask(`GET /services/${guid}/actions`)
  const names = [...Object.keys(actions), 'delete', 'update_data'].sort()
  expect(answer).toMatchObject({ status: 200, json: names.map((name) => ({ name })) })
  expect(answer.headers.get('content-type')).toBe('application/json')
})

describe('POST task_list', () => {
  let shared: { readonly tasks: string }
  beforeAll(async () => {
    shared = await service()
  })

  test('answers the new task and where it is', async () => {
    const { guid, name, tasks } = await service()
    const answer = await post(tasks, 'ok')
    const task = answer.json
    expect(answer.status).toBe(201)
    expect(answer.headers.get('location')).toBe(`${tasks}/${task.guid}`)
    expect(answer.headers.get('operation-id')).toBe(task.guid)
    expect(task).toEqual({
      ...{ action_name: 'ok', template_name: 'vm', service_name: name, service_guid: guid, state: 'new' },
      guid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      created: expect.toSatisfy((seconds: number) => Number.isInteger(seconds) && Math.abs(seconds - Date.now() / 1000) < 60),
    })
    const done = await ended(tasks, task.guid)
    expect(done.json).toEqual({ ...task, state: 'ok', duration: expect.any(Number), result: '{"n":1}' })
    expect(done.json.duration).toBeGreaterThanOrEqual(0)
  })

  test.each([
    ['no', 'false'],
    ['zero', '0'],
    ['empty', '""'],
    ['null', undefined],
    ['silent', undefined],
    ['save', undefined],
  ])('the result of %s is %j', async (action, result) => {
    const { tasks } = shared
    const { json } = await run(tasks, action)
    expect(json.state).toBe('ok')
    expect(json.result).toBe(result)
    expect(json).not.toHaveProperty('eco')
  })

  test('shows arguments with their defaults', async () => {
    const { tasks } = await service()
    expect((await post(tasks, 'add', { a: null })).json.args).toEqual({ a: null, b: [1] })
    expect((await post(tasks, 'any', { __proto__x: 1 })).json.args).toEqual({ __proto__x: 1 })
    expect((await post(tasks, 'any', {})).json).not.toHaveProperty('args')
    expect((await post(tasks, 'any', null)).status).toBe(201)
  })

  test('queues a task at each call, unless it repeats an Idempotency-Key', async () => {
    const { tasks } = await service()
    const keyed = () => app.ask(`POST ${tasks}`, { body: { action_name: 'silent' }, headers: { 'Idempotency-Key': tasks } })
    const [first, again] = [await keyed(), await keyed()]
    expect(again.json).toEqual(first.json)
    await post(tasks, 'silent')
    await post(tasks, 'silent')
    expect((await app.ask(`GET ${tasks}?all=1`)).json).toHaveLength(3)
  })

  test.each([
    ['nothing', {}, `action 'nothing' not found`],
    ['constructor', {}, `action 'constructor' not found`],
    ['__proto__', {}, `action '__proto__' not found`],
    ['validate', {}, `action 'validate' not found`],
    ['add', {}, 'parameter a is mandatory but not passed to in args'],
    ['add', { b: [] }, 'parameter a is mandatory but not passed to in args'],
    ['add', { a: 1, z: 1, y: 1 }, 'arguments "y,z" are not present in the signature of the action'],
    ['ok', { constructor: 1 }, 'arguments "constructor" are not present in the signature of the action'],
    ['update_data', {}, 'parameter data is mandatory but not passed to in args'],
    ['delete', { now: true }, 'arguments "now" are not present in the signature of the action'],
  ])('%s with %j is refused: %s', async (action, args, message) => {
    const { tasks } = shared
    const answer = await post(tasks, action, args)
    expect(answer).toMatchObject({ status: 400, json: { code: 400, message } })
    expect((await app.ask(`GET ${tasks}`)).json).toEqual([])
  })

  test('an argument that its schema does not take is refused', async () => {
    const { tasks } = shared
    const answer = await post(tasks, 'add', { a: 1, c: 7 })
    expect(answer).toMatchObject({ status: 400, json: { code: 400 } })
    expect(answer.json.message).toContain('c')
  })

  test.each([
    [{}, 'action_name'],
    [{ action_name: 7 }, 'action_name'],
    [{ action_name: null }, 'action_name'],
    [{ action_name: 'ok', args: [] }, 'args'],
    [{ action_name: 'ok', args: 'x' }, 'args'],
  ])('the body %j is refused, also for an unknown service', async (body, named) => {
    const { tasks } = shared
    for (const path of [tasks, '/services/none/task_list']) {
      const answer = await app.ask(`POST ${path}`, { body })
      expect(answer).toMatchObject({ status: 400, json: { code: 400 } })
      expect(answer.json.message).toContain(named)
    }
  })

  test.each(['', '{', '[]', 'null'])('the body %j is refused', async (raw) => {
    const { tasks } = shared
    const answer = await app.ask(`POST ${tasks}`, { raw })
    expect(answer).toMatchObject({ status: 400, json: { code: 400, message: expect.stringMatching(/body/) } })
  })
})

test('a failed task says why, in all members that either generation of clients demands', async () => {
  const { tasks } = await service()
  const { json } = await run(tasks, 'fail')
  expect(json).toMatchObject({ state: 'error', duration: expect.any(Number) })
  expect(json).not.toHaveProperty('result')
  const { eco } = json
  expect(eco).toMatchObject({
    ...{ appname: 'intendant', errormessage: 'broken', type: 'UNKNOWN', state: 'NEW', level: 1, funcname: 'fail' },
    ...{ exceptionclassname: 'ProcessExitError', occurrences: 1, count: 1, jid: 0, masterjid: 0, closetime: 0, _limit: 30 },
    data: { exit_code: 3, signal: null, timed_out: false, attempt: 1 },
  })
  for (const member of ecoTexts) expect(eco[member], member).toBeTypeOf('string')
  for (const member of ecoNumbers) expect(Number.isInteger(eco[member]), member).toBe(true)
})
const ecoTexts = [
  ...['appname', 'errormessage', 'errormessagePub', 'type', 'state', 'category', 'funcname', 'funcfilename', 'code'],
  ...['exceptionclassname', '_traceback', 'uniquekey', 'guid', 'tags', 'cat', 'message', 'message_pub', 'trace'],
]
const ecoNumbers = [
  ...['epoch', 'jid', 'masterjid', 'level', 'funclinenr', '_limit', 'lasttime', 'closetime', 'occurrences', 'pid', 'count'],
  ...['time_first', 'time_last'],
]

test('a task that waits for its next try is in error, without a duration', async () => {
  const { tasks } = await service()
  const id = await started(tasks, 'backsOff')
  await until(id, 'retrying')
  const { json } = await app.ask(`GET ${tasks}/${id}`)
  expect(json).toMatchObject({ state: 'error', eco: { exceptionclassname: 'ProcessExitError', occurrences: 1 } })
  expect(json).not.toHaveProperty('duration')
})

describe('GET task_list', () => {
  test('has the task that runs, then those that wait; with all also those that are done', async () => {
    const { tasks } = await service()
    const done = [(await run(tasks, 'ok')).json.guid, (await run(tasks, 'fail')).json.guid]
    const runs = await started(tasks, 'forever')
    await until(runs, 'running')
    const waits = [await started(tasks, 'ok'), await started(tasks, 'save')]
    const list = await app.ask(`GET ${tasks}`)
    expect(list.status).toBe(200)
    expect(list.json.map((task: { guid: string; state: string }) => [task.guid, task.state])).toEqual([
      [runs, 'running'],
      [waits[0], 'new'],
      [waits[1], 'new'],
    ])
    const guids = async (query: string): Promise<readonly string[]> =>
      (await app.ask(`GET ${tasks}?all=${query}`)).json.map(({ guid }: { guid: string }) => guid)
    for (const yes of ['1', 'true', 'True', 'TRUE', 'yes', 'y', '%20Y%20'])
      expect(await guids(yes)).toEqual([runs, ...waits, ...done])
    for (const no of ['', '0', 'False', 'no', 'on', 'all', '2', 't']) expect(await guids(no)).toEqual([runs, ...waits])
    await app.ask(`DELETE ${tasks}/${runs}`)
  })

  test('has the task first that backs off, though another one is more urgent', async () => {
    const { tasks } = await service()
    const id = await started(tasks, 'backsOff')
    await until(id, 'retrying')
    const next = await started(tasks, 'update_data', { data: {} })
    const list = await app.ask(`GET ${tasks}`)
    expect(list.json.map(({ guid }: { guid: string }) => guid)).toEqual([id, next])
  })
})

describe('DELETE of a task', () => {
  const cancel = (tasks: string, id: string) => app.ask(`DELETE ${tasks}/${id}`)
  const canceled = { state: 'error', eco: { exceptionclassname: 'TaskCanceled', errormessage: 'task canceled', pid: 0 } }

  test('ends the program of a running one', async () => {
    const { tasks } = await service()
    const id = await started(tasks, 'forever')
    await until(id, 'running')
    expect(await cancel(tasks, id)).toMatchObject({ status: 204, text: '' })
    const { json } = await app.ask(`GET ${tasks}/${id}`)
    expect(json).toMatchObject({ ...canceled, duration: expect.any(Number) })
    expect(json.eco).toMatchObject({ funcname: 'forever', occurrences: 1 })
    expect(Object.keys(json.eco)).toEqual(expect.arrayContaining([...ecoTexts, ...ecoNumbers]))
  })

  test('takes a waiting one out of the queue, and ends the wait of one that backs off', async () => {
    const { tasks } = await service()
    const first = await started(tasks, 'backsOff')
    await until(first, 'retrying')
    const second = await started(tasks, 'ok')
    expect((await cancel(tasks, second)).status).toBe(204)
    expect((await app.ask(`GET ${tasks}/${second}`)).json).toMatchObject({ ...canceled, duration: 0 })
    expect((await cancel(tasks, first)).status).toBe(204)
    expect((await app.ask(`GET ${tasks}/${first}`)).json).toMatchObject(canceled)
    expect((await app.ask(`GET ${tasks}`)).json).toEqual([])
  })

  test('leaves one that has ended as it is', async () => {
    const { tasks } = await service()
    const { json } = await run(tasks, 'ok')
    expect((await cancel(tasks, json.guid)).status).toBe(204)
    expect((await app.ask(`GET ${tasks}/${json.guid}`)).json).toEqual(json)
  })
})

test('what is not there is 404 in the words of the contract', async () => {
  const { tasks } = await service()
  const other = await service()
  const task = await started(other.tasks, 'save')
  const noService = { status: 404, json: { code: 404, message: `service with guid 'none' not found` } }
  for (const line of ['GET /services/none/actions', 'GET /services/none/task_list', 'GET /services/none/logs'])
    expect(await app.ask(line), line).toMatchObject(noService)
  expect(await post('/services/none/task_list', 'ok')).toMatchObject(noService)
  for (const method of ['GET', 'DELETE']) {
    expect(await app.ask(`${method} /services/none/task_list/${task}`)).toMatchObject(noService)
    for (const guid of ['none', task])
      expect(await app.ask(`${method} ${tasks}/${guid}`)).toMatchObject({
        ...{ status: 404, json: { code: 404, message: `task with guid '${guid}' not found` } },
      })
  }
})

test('an operation that is not a task is none', async () => {
  const { tasks } = await service()
  const { json } = await app.probe()
  expect((await app.ask(`GET ${tasks}/${json.id}`)).status).toBe(404)
})

describe('by the native API', () => {
  test('a task is not submitted, but cancelled', async () => {
    const { guid, tasks } = await service()
    const body = { kind: 'robot.action', input: { service: guid, action: 'ok', args: {} } }
    expect((await app.ask('POST /v1/operations', { body })).status).toBe(403)
    const id = await started(tasks, 'forever')
    await until(id, 'running')
    await app.ask(`POST /v1/operations/${id}/cancel`)
    expect((await ended(tasks, id)).json).toMatchObject({ state: 'error', eco: { exceptionclassname: 'TaskCanceled' } })
  })

  test('a retry makes a new task', async () => {
    const { tasks } = await service()
    const { json: task } = await run(tasks, 'fail')
    const retried = await app.ask(`POST /v1/operations/${task.guid}/retry`)
    expect(retried.status).toBe(202)
    const { json: again } = await ended(tasks, retried.json.id)
    expect(again).toMatchObject({ action_name: 'fail', state: 'error', service_guid: task.service_guid })
    expect((await app.ask(`GET ${tasks}?all=true`)).json.map(({ guid }: { guid: string }) => guid)).toEqual([
      task.guid,
      again.guid,
    ])
    expect((await app.ask(`GET ${tasks}/${task.guid}`)).json).toEqual(task)
  })

  test('kinds list the task', async () => {
    const { json } = await app.ask('GET /v1/kinds')
    expect(json.items).toEqual(
      expect.arrayContaining([expect.objectContaining({ kind: 'robot.action', face: 'robot', submittable: false })]),
    )
  })
})

describe('logs', () => {
  test('are what the programs of a service have printed on stderr, in order', async () => {
    const { guid, tasks } = await service()
    await run(tasks, 'ok')
    await run(tasks, 'fail')
    const other = await service()
    expect(await app.ask(`GET /services/${guid}/logs`)).toMatchObject({ status: 200, json: { logs: 'working\nbroken\n' } })
    expect(await app.ask(`GET /services/${other.guid}/logs`)).toMatchObject({ status: 200, json: { logs: '' } })
  })

  test('need god mode', async () => {
    const plain = await startApp()
    const answer = await plain.ask('GET /services/none/logs')
    await plain.stop()
    const message = 'god mode is not enabled on the service, you cannot read the logs'
    expect(answer).toMatchObject({ status: 400, json: { code: 400, message } })
  })
})

test('metrics count services and tasks', async () => {
  const { guid, tasks } = await service()
  const first = await started(tasks, 'backsOff')
  await until(first, 'retrying')
  await post(tasks, 'ok')
  const { text } = await app.ask('GET /metrics')
  expect(text).toMatch(/^robot_services_total \d+$/m)
  expect(text).toContain(`robot_tasks_waiting_total{service_guid="${guid}"} 1\n`)
  expect(text).toMatch(
    /^robot_tasks_latency_ms_count\{action_name="ok",template_uid="127\.0\.0\.1\/acme\/robots\/vm\/0\.0\.1"\} \d+$/m,
  )
})
