import { describe, expect, test } from 'vitest'
import { deleteKind } from '../../../src/commands/robot/lifecycle.ts'
import { Unavailable } from '../../../src/lib/errors.ts'
import type { JsonObject } from '../../../src/lib/json.ts'
import { openRobot } from './robot-engine.ts'

describe('update_data', () => {
  const schema = { type: 'object', properties: { memory: { type: ['integer', 'null'] } } }

  test('puts its members in the place of those of the data; null stays', async () => {
    const robot = await openRobot({ vm: { manifest: { schema } } })
    const guid = await robot.create('vm', { memory: 1, disk: { size: 1, kind: 'ssd' } })
    const id = await robot.request(guid, 'update_data', { data: { memory: null, disk: { size: 2 } } })
    const { task, service } = await robot.after(guid, id)
    expect(task).toMatchObject({ state: 'succeeded', result: { members: { memory: null, disk: { size: 2 } } } })
    expect(service?.data).toEqual({ memory: null, disk: { size: 2 } })
  })

  test('fails where the data would not match the schema', async () => {
    const robot = await openRobot({ vm: { manifest: { schema } } })
    const guid = await robot.create('vm', { memory: 1 })
    const { task, service } = await robot.after(guid, await robot.request(guid, 'update_data', { data: { memory: 'x' } }))
    expect(task).toMatchObject({
      state: 'failed',
      error: {
        message: 'data does not match the schema: /memory must be integer,null',
        details: { eco: { exceptionclassname: 'DataValidationError', funcname: 'update_data', pid: 0 } },
      },
    })
    expect(service?.data).toEqual({ memory: 1 })
  })

  test('is decided by the hook where there is one: the data of its reply counts alone', async () => {
    const hook = `#!/usr/bin/env node
const stdin = JSON.parse(require('fs').readFileSync(0))
const { INTENDANT_ACTION, INTENDANT_TASK_GUID = 'none', INTENDANT_TRIES } = process.env
const environment = { INTENDANT_ACTION, INTENDANT_TASK_GUID, INTENDANT_TRIES }
console.log(JSON.stringify({ result: 1, data: { stdin, environment }, state: [{ category: 'a', tag: 'b', state: 'ok' }] }))`
    const robot = await openRobot({
      vm: {
        manifest: { actions: { start: { retry: {} } }, hooks: { update_data: { run: ['./update'] } } },
        files: { update: hook },
      },
    })
    const guid = await robot.create('vm', { memory: 1 }, 'one')
    const { task, service } = await robot.after(guid, await robot.request(guid, 'update_data', { data: { memory: 2 } }))
    expect(task).toMatchObject({ state: 'succeeded', result: { data: {} } })
    expect(service?.state).toEqual([])
    expect(service?.data).toEqual({
      memory: 1,
      stdin: {
        action: 'update_data',
        args: { data: { memory: 2 } },
        service: { guid, name: 'one', template: robot.uidOf('vm'), version: '0.0.1' },
        data: { memory: 1 },
        state: [],
        hook: 'update_data',
      },
      environment: { INTENDANT_ACTION: 'update_data', INTENDANT_TASK_GUID: 'none', INTENDANT_TRIES: '1' },
    })
  })
})

test('save does nothing', async () => {
  const robot = await openRobot({ vm: { manifest: {} } })
  const guid = await robot.create('vm', { memory: 1 })
  const { task, service } = await robot.after(guid, await robot.request(guid, 'save'))
  expect(task).toMatchObject({ state: 'succeeded', result: {} })
  expect(service?.data).toEqual({ memory: 1 })
})

test('delete requests the deletion, which has the lane next', async () => {
  const robot = await openRobot({ vm: { manifest: {} } })
  const guid = await robot.create('vm')
  const { task } = await robot.after(guid, await robot.request(guid, 'delete'))
  expect(task).toMatchObject({ state: 'succeeded', result: {} })
  const deletion = await robot.engine.until(() => robot.engine.queries.list({ kind: [deleteKind], limit: 10 }).items[0])
  expect(deletion).toMatchObject({ lane: `robot:${guid}`, input: { service: guid } })
})

test('an action that the template has no more ends the task', async () => {
  const robot = await openRobot({
    vm: { manifest: { actions: { start: { retry: {} } } } },
    other: { manifest: {} },
  })
  const guid = await robot.create('other')
  const id = await robot.request(guid, 'start', {}, { template: 'vm' })
  const { task } = await robot.after(guid, id)
  expect(task).toMatchObject({ state: 'failed', attempt: 1, error: { message: `action 'start' not found` } })
})

describe('what a reply schedules', () => {
  const scheduling = (schedule: readonly JsonObject[]): string =>
    `#!/bin/sh\necho '${JSON.stringify({ schedule })}'; [ "$INTENDANT_ACTION" = start ]\n`
  const templates = (schedule: readonly JsonObject[]) => ({
    vm: {
      manifest: { actions: { start: {}, fail: { run: ['./actions/start'] } } },
      files: { 'actions/start': scheduling(schedule) },
    },
    disk: {
      manifest: { actions: { format: { run: ['true'], args: { kind: { required: true }, size: { default: 1 } } } } },
    },
  })

  test('is queued as tasks with ids of their own, once; wrong entries are told in the output', async () => {
    const robot = await openRobot(
      templates([
        { service: { name: 'data', template: 'disk' }, action: 'format', args: { kind: 'ext4' } },
        { service: { name: 'data' }, action: 'format' },
        { service: { template: 'disk' }, action: 'format', args: { kind: 'ext4' } },
        { service: { name: 'nobody' }, action: 'format' },
        { service: { name: 'data' }, action: 'wipe' },
        { action: 'format' },
      ]),
    )
    const guid = await robot.create('vm')
    const disk = await robot.create('disk', {}, 'data')
    await robot.create('disk', {}, 'other')
    const id = await robot.request(guid, 'start')
    const { task } = await robot.after(guid, id)
    expect(task).toMatchObject({ state: 'succeeded', result: {} })
    const tasks = await robot.engine.until(() => {
      const found = robot.tasksOf(disk)
      return found.every(({ state }) => state === 'succeeded') && found
    })
    expect(tasks).toEqual([
      expect.objectContaining({ input: { service: disk, action: 'format', args: { kind: 'ext4', size: 1 } }, attempt: 1 }),
    ])
    const output = await robot.output(id)
    expect(output.split('\n').map((line) => line.replace(/^schedule\/(\d) is passed over: /, '$1 '))).toEqual([
      '1 parameter kind is mandatory but not passed to in args',
      '2 2 services are meant',
      '3 there is no such service',
      `4 action 'wipe' not found`,
      expect.stringContaining('5 '),
      expect.anything(),
      '',
    ])
  })

  test('is passed over where the attempt has failed', async () => {
    const robot = await openRobot(templates([{ service: { name: 'data' }, action: 'format', args: { kind: 'ext4' } }]))
    const guid = await robot.create('vm')
    const disk = await robot.create('disk', {}, 'data')
    const { task } = await robot.after(guid, await robot.request(guid, 'fail'))
    expect(task.state).toBe('failed')
    expect(robot.tasksOf(disk)).toEqual([])
  })

  test.each([
    ['is requested when the log is in reach again', new Unavailable('the log is away'), 1],
    ['is requested by the next attempt, which runs no program', new Error('the worker broke'), 2],
  ])('%s', async (_name, error, attempt) => {
    const errors = [error]
    const count = `#!/bin/sh
echo run >>runs
echo '{"result": "'"$(grep -c run runs)"'", "schedule": [{"service": {"name": "data"}, "action": "save"}]}'
`
    const robot = await openRobot(
      { vm: { manifest: { actions: { start: { retry: { delay: 0 } } } }, files: { 'actions/start': count } } },
      {
        beforeSubmit: () => {
          const next = errors.pop()
          if (next !== undefined) throw next
        },
      },
    )
    const guid = await robot.create('vm')
    const data = await robot.create('vm', {}, 'data')
    const { task } = await robot.after(guid, await robot.request(guid, 'start'))
    expect(task).toMatchObject({ state: 'succeeded', attempt, result: { result: '1' } })
    expect(robot.tasksOf(data)).toHaveLength(1)
  })
})
