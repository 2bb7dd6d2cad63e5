import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { scheduleQueries } from '../../../src/projections/schedules.ts'
import { type Files, type GitServer, startGitServer, template } from '../../workers/robot/git-server.ts'
import { startApp, type TestApp } from '../app.ts'

let git: GitServer
let app: TestApp
let load: (...templates: readonly Files[]) => Promise<void>
beforeAll(async () => {
  git = await startGitServer()
  app = await startApp()
  const { url, commit } = git.repository('recurring')
  load = async (...templates) => {
    commit(Object.assign({}, ...templates))
    expect((await app.ask('POST /templates', { body: { url } })).status).toBe(201)
  }
  await load(
    template('fast', {
      actions: {
        measure: shell('true', { recurring: 0.25, args: { unit: { default: 'ms' } } }),
        fails: shell('exit 1', { recurring: 0.25 }),
      },
    }),
    template('busy', { actions: { measure: shell('true', { recurring: 0.1 }), forever: shell('sleep 600') } }),
    template('vm', {
      version: '1.0.0',
      actions: { stays: shell('true', { recurring: hour }), goes: shell('true', { recurring: hour }) },
    }),
    template('hasty', {
      actions: {
        add: shell('true', { recurring: 1, args: { a: { required: true } } }),
        once: shell('true', { recurring: hour }),
      },
    }),
  )
})
afterAll(async () => {
  await app.stop()
  await git.stop()
})

interface Run {
  readonly id: string
  readonly state: string
  readonly requestedAt: string
}

const hour = 3600
const shell = (script: string, more: object = {}) => ({ run: ['sh', '-c', script], ...more })
const create = async (name: string): Promise<string> => (await app.ask('POST /services', { body: { template: name } })).json.guid
const runsOf = async (guid: string, action: string): Promise<readonly Run[]> => {
  const schedule = encodeURIComponent(`${guid}/${action}`)
  return (await app.ask(`GET /v1/operations?face=robot&schedule=${schedule}&order=asc&limit=100`)).json.items
}
const schedulesOf = (guid: string): readonly string[] =>
  scheduleQueries(app.app.ports.knowledge.present(['schedules']).views('schedules')).ownNames('robot', guid)
/** Asks until the answer is right: nothing else tells that something was fired. */
const until = async <Value>(ask: () => Value | Promise<Value>, isRight: (value: Value) => boolean): Promise<Value> => {
  for (;;) {
    const value = await ask()
    if (isRight(value)) return value
    await systemClock.sleep(20)
  }
}
const gaps = (runs: readonly Run[]): readonly number[] =>
  runs.slice(1).map(({ requestedAt }, n) => Date.parse(requestedAt) - Date.parse(runs[n]?.requestedAt ?? ''))

test('runs at once and then never faster than its period, whether it succeeds or fails', async () => {
  const guid = await create('fast')
  for (const action of ['measure', 'fails']) {
    const runs = await until(
      () => runsOf(guid, action),
      ({ length }) => length >= 4,
    )
    for (const gap of gaps(runs)) expect(gap).toBeGreaterThanOrEqual(250)
  }
  const done = (await app.ask(`GET /services/${guid}/task_list?all=true`)).json
  expect(done).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ action_name: 'measure', state: 'ok', args: { unit: 'ms' } }),
      expect.objectContaining({ action_name: 'fails', state: 'error' }),
    ]),
  )
  const [first] = await runsOf(guid, 'measure')
  const [requested] = (await app.ask(`GET /v1/streams/operation-${first?.id}`)).json.items
  expect(requested.data).toMatchObject({ priority: 5, lane: `robot:${guid}`, face: 'robot', schedule: `${guid}/measure` })
  await app.ask(`DELETE /services/${guid}`)
})

test('fires nothing while its task waits, and once when that has ended', async () => {
  const guid = await create('busy')
  const { json: blocks } = await app.ask(`POST /services/${guid}/task_list`, { body: { action_name: 'forever' } })
  const queue = async () => (await app.ask(`GET /services/${guid}/task_list`)).json
  const [, waits] = await until(
    queue,
    ([first, second]) => first?.guid === blocks.guid && first.state === 'running' && second !== undefined,
  )
  const before = await runsOf(guid, 'measure')
  expect(before.at(-1)?.id).toBe(waits.guid)
  // Several periods, told by another schedule of the same length.
  const other = await create('busy')
  await until(
    () => runsOf(other, 'measure'),
    ({ length }) => length >= 4,
  )
  expect(await runsOf(guid, 'measure')).toHaveLength(before.length)
  await app.ask(`DELETE /services/${guid}/task_list/${blocks.guid}`)
  await until(
    () => runsOf(guid, 'measure'),
    ({ length }) => length >= before.length + 2,
  )
  await app.ask(`DELETE /services/${guid}`)
  await app.ask(`DELETE /services/${other}`)
})

test('follows the version of the template, and ends with the service', async () => {
  const guid = await create('vm')
  for (const action of ['stays', 'goes'])
    await until(
      () => runsOf(guid, action),
      ([run]) => run?.state === 'succeeded',
    )
  await load(
    template('vm', {
      version: '1.1.0',
      actions: { stays: shell('true', { recurring: 2 * hour }), comes: shell('true', { recurring: hour }) },
    }),
  )
  const body = { template: '127.0.0.1/acme/recurring/vm/1.1.0' }
  expect((await app.ask(`PUT /services/${guid}`, { body })).status).toBe(200)
  await until(
    () => runsOf(guid, 'comes'),
    ([run]) => run?.state === 'succeeded',
  )
  expect(schedulesOf(guid)).toEqual([`${guid}/comes`, `${guid}/stays`])
  // It counts from its last run, whatever its period is by now.
  expect(await runsOf(guid, 'stays')).toHaveLength(1)
  expect((await app.ask(`DELETE /services/${guid}`)).status).toBe(204)
  expect(schedulesOf(guid)).toEqual([])
})

test('an action with a mandatory argument cannot recur; the service is created all the same', async () => {
  const guid = await create('hasty')
  expect(schedulesOf(guid)).toEqual([`${guid}/once`])
  const output = await app.ask(`GET /v1/operations/${guid}/output`)
  expect(output.text).toContain('the action add cannot recur: parameter a is mandatory but not passed to in args')
})
