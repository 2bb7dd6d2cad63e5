import { createHash } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Eco } from '../../../src/commands/robot/eco.ts'
import type { JsonObject } from '../../../src/lib/json.ts'
import type { OperationResource } from '../../../src/projections/operations/operation-resource.ts'
import { temporaryDirectory } from '../../stores/temporary.ts'
import { openRobot } from './robot-engine.ts'

const sh = (script: string): string => `#!/bin/sh\n${script}\n`
const reply = (value: unknown): string => sh(`cat >/dev/null; echo '${JSON.stringify(value)}'`)
/** Answers with what it was given. */
const mirror = `#!/usr/bin/env node
const { PATH, ...environment } = process.env
const stdin = JSON.parse(require('fs').readFileSync(0))
console.log(JSON.stringify({ result: { stdin, environment, cwd: process.cwd(), path: PATH !== undefined } }))`

const ecoOf = ({ error }: OperationResource): Eco => {
  const { eco } = (error?.details ?? expect.unreachable()) as unknown as { eco: Eco }
  return eco
}

describe('what a program is given', () => {
  test('its action, arguments, service and task, and an environment of its own', async () => {
    const robot = await openRobot(
      {
        vm: {
          manifest: { actions: { start: { args: { size: { default: 3 }, name: {} }, retry: { tries: 2 } } } },
          files: { 'actions/start': mirror },
        },
      },
      { environment: { LANG: 'de_DE' }, settings: { timeZone: 'UTC' } },
    )
    const guid = await robot.create('vm', { memory: 2 }, 'one')
    const id = await robot.request(guid, 'start', { name: 'x' })
    const { task } = await robot.after(guid, id)
    const { result } = task.result as { result: { stdin: JsonObject; environment: Record<string, string>; cwd: string } }
    const home = join(robot.directory, 'robot', 'services', guid)
    expect(result.stdin).toEqual({
      action: 'start',
      args: { name: 'x', size: 3 },
      service: { guid, name: 'one', template: robot.uidOf('vm'), version: '0.0.1' },
      data: { memory: 2 },
      state: [],
      task: { guid: id, created: Math.trunc(Date.parse(task.requestedAt) / 1000), attempt: 1, tries: 2, priority: 10 },
    })
    const { TMPDIR = '', ...environment } = result.environment
    expect(environment).toEqual({
      ...{ HOME: home, LANG: 'C.UTF-8', TZ: 'UTC', INTENDANT_SERVICE_GUID: guid, INTENDANT_SERVICE_NAME: 'one' },
      INTENDANT_TEMPLATE_UID: robot.uidOf('vm'),
      INTENDANT_TEMPLATE_DIR: robot.folderOf('vm'),
      ...{ INTENDANT_ACTION: 'start', INTENDANT_TASK_GUID: id, INTENDANT_ATTEMPT: '1', INTENDANT_TRIES: '2' },
      INTENDANT_API_URL: 'http://127.0.0.1:1',
    })
    expect(existsSync(TMPDIR)).toBe(false)
    expect(result).toMatchObject({ cwd: home, path: true })
    expect(statSync(home).mode & 0o777).toBe(0o700)
  })

  test('words that begin with ./ lie in the folder of the template, others are taken as they are', async () => {
    const robot = await openRobot({
      vm: {
        manifest: { actions: { start: { run: ['sh', './run.sh', 'x/y'] } } },
        files: { 'run.sh': 'echo "{\\"result\\": \\"$1\\"}"' },
      },
    })
    const guid = await robot.create('vm')
    const { task } = await robot.after(guid, await robot.request(guid, 'start'))
    expect(task).toMatchObject({ state: 'succeeded', result: { result: 'x/y' } })
  })

  test('the data and state that the task before it left', async () => {
    const count = `node -e '
      const { data } = JSON.parse(require("fs").readFileSync(0))
      console.log(JSON.stringify({ data: { count: (data.count ?? 0) + 1 } }))'`
    const robot = await openRobot({ vm: { manifest: { actions: { count: {} } }, files: { 'actions/count': sh(count) } } })
    const guid = await robot.create('vm')
    const ids = await Promise.all(Array.from({ length: 8 }, () => robot.request(guid, 'count')))
    await Promise.all(ids.map((id) => robot.after(guid, id)))
    expect(robot.services.byGuid(guid)?.data).toEqual({ count: 8 })
  })
})

describe('a reply', () => {
  const outcome = async (script: string, manifest: JsonObject = {}, data: JsonObject = {}) => {
    const robot = await openRobot({
      vm: { manifest: { actions: { start: {} }, ...manifest }, files: { 'actions/start': script } },
    })
    const guid = await robot.create('vm', data)
    return robot.after(guid, await robot.request(guid, 'start'))
  }

  test.each([
    ['no output', sh('exit 0'), {}],
    ['white space', sh('echo'), {}],
    ['false', reply({ result: false }), { result: false }],
    ['null', reply({ result: null, data: null, error: null }), {}],
    ['unknown members', reply({ result: 1, other: 2 }), { result: 1 }],
  ])('%s is a success', async (_name, script, result) => {
    expect((await outcome(script)).task).toMatchObject({ state: 'succeeded', result })
  })

  test.each([
    ['text', sh('echo hello')],
    ['two objects', sh('echo "{} {}"')],
    ['an array', sh('echo "[]"')],
    ['an integer beyond 2^53', sh(`echo '{"result": 9007199254740993}'`)],
    ['bytes that are not UTF-8', sh(String.raw`printf '{"result": "\377"}'`)],
    ['data that is not an object', reply({ data: 3 })],
    ['a state without a tag', reply({ state: [{ category: 'a', state: 'ok' }] })],
    ['more than 8 MiB', sh(`printf '{"result": "'; head -c 8388608 /dev/zero | tr '\\0' a; printf '"}'`)],
    ['deep nesting', sh(`node -e 'console.log("{\\"result\\":" + "[".repeat(5000) + "]".repeat(5000) + "}")'`)],
  ])('%s is a BadReplyError', async (_name, script) => {
    const { task } = await outcome(script)
    expect(task).toMatchObject({ state: 'failed', error: { message: 'reply is not one JSON object' } })
    expect(ecoOf(task)).toMatchObject({ exceptionclassname: 'BadReplyError', data: { exit_code: 0, signal: null } })
  })

  test('data is a merge patch, and state changes are applied in order', async () => {
    const changes = [
      { category: 'a', tag: 'b', state: 'ok' },
      { category: 'a', tag: 'c', state: 'error' },
      { category: 'a', tag: 'b', state: null },
    ]
    const { service } = await outcome(reply({ data: { x: null, y: { z: 1 } }, state: changes }), {}, { x: 1, y: { w: 2 } })
    expect(service).toMatchObject({ data: { y: { w: 2, z: 1 } }, state: [{ category: 'a', tag: 'c', state: 'error' }] })
  })

  test('is applied after a failure too', async () => {
    const state = [{ category: 'a', tag: 'b', state: 'error' }]
    const { task, service } = await outcome(sh(`echo '${JSON.stringify({ data: { x: 1 }, state })}'; exit 3`))
    expect(task).toMatchObject({ state: 'failed', error: { details: { data: { x: 1 }, state } } })
    expect(service).toMatchObject({ data: { x: 1 }, state })
  })

  test('a state that is not supported fails; what came before it counts', async () => {
    const state = [
      { category: 'a', tag: 'b', state: 'ok' },
      { category: 'a', tag: 'c', state: 'fine' },
    ]
    const { task, service } = await outcome(reply({ state }))
    expect(ecoOf(task)).toMatchObject({
      exceptionclassname: 'BadServiceStateError',
      errormessage: 'state not supported: fine',
    })
    expect(service?.state).toEqual([state[0]])
  })

  test('data that does not match the schema fails and is not applied', async () => {
    const schema = { type: 'object', properties: { memory: { type: 'integer' } } }
    const { task, service } = await outcome(reply({ data: { memory: 'much' } }), { schema }, { memory: 1 })
    expect(ecoOf(task)).toMatchObject({
      exceptionclassname: 'DataValidationError',
      errormessage: 'data does not match the schema: /memory must be integer',
    })
    expect(service?.data).toEqual({ memory: 1 })
  })
})

describe('a failure', () => {
  const failing = async (script: string | undefined, action: JsonObject = {}) => {
    const robot = await openRobot({
      vm: { manifest: { actions: { start: action } }, files: script === undefined ? {} : { 'actions/start': script } },
    })
    const guid = await robot.create('vm')
    const id = await robot.request(guid, 'start')
    const { task, service } = await robot.after(guid, id)
    return { task, service, eco: ecoOf(task), id, robot }
  }

  test('tells exit code, last line of stderr and the last 30 lines', async () => {
    const { task, eco, id, robot } = await failing(sh('seq 1 40 >&2; echo "it broke" >&2; echo >&2; exit 7'))
    const at = Math.trunc(Date.parse(task.finishedAt ?? '') / 1000)
    const trace = `${Array.from({ length: 28 }, (_, n) => n + 13).join('\n')}\nit broke\n`
    expect(eco).toEqual({
      ...{ appname: 'intendant', epoch: expect.any(Number), errormessage: 'it broke', errormessagePub: '', type: 'UNKNOWN' },
      ...{ state: 'NEW', data: { exit_code: 7, signal: null, timed_out: false, attempt: 1 }, jid: 0, masterjid: 0 },
      ...{ category: '', level: 1, funcname: 'start', funcfilename: 'actions/start', funclinenr: 0, code: '' },
      ...{ exceptionclassname: 'ProcessExitError', _limit: 30, _traceback: trace },
      uniquekey: createHash('md5').update('it broke_1_start_actions/start_intendant_UNKNOWN').digest('hex'),
      ...{ lasttime: eco.epoch, closetime: 0, occurrences: 1, guid: expect.stringMatching(/^[0-9a-f-]{36}$/), tags: '' },
      pid: expect.any(Number),
      ...{ cat: '', count: 1, message: 'it broke', message_pub: '', trace, time_first: eco.epoch, time_last: eco.epoch },
    })
    expect(Math.abs(eco.epoch - at)).toBeLessThan(5)
    expect(eco.pid).toBeGreaterThan(0)
    expect(task.error).toMatchObject({ message: 'it broke', details: { eco } })
    const output = await robot.output(id)
    expect(output).toMatch(/^1\n2\n[\s\S]*it broke\n\n$/)
  })

  test('is described by the program', async () => {
    const error = {
      ...{ message: 'no disk', public: 'sorry', type: 'INPUT', category: 'disk', level: 2, file: 'disk.py', line: 12 },
      ...{ code: 5, class: 'DiskError', trace: 'here', tags: 'a:b', data: { disk: 'sda' } },
    }
    const { eco } = await failing(sh(`echo '${JSON.stringify({ error })}'; echo stderr >&2; exit 1`))
    expect(eco).toMatchObject({
      ...{
        errormessage: 'no disk',
        errormessagePub: 'sorry',
        type: 'INPUT',
        category: 'disk',
        level: 2,
        funcfilename: 'disk.py',
      },
      ...{ funclinenr: 12, code: '5', exceptionclassname: 'DiskError', _traceback: 'here', tags: 'a:b' },
      data: { disk: 'sda', exit_code: 1, signal: null, timed_out: false, attempt: 1 },
    })
  })

  test('without words has the text of its class', async () => {
    expect((await failing(sh('exit 2'))).eco.errormessage).toBe(`action 'start' exited with code 2`)
    const { eco } = await failing(sh('kill -9 $$'))
    expect(eco).toMatchObject({
      ...{ exceptionclassname: 'ProcessSignalError', errormessage: `action 'start' killed by signal SIGKILL` },
      data: { exit_code: null, signal: 'SIGKILL' },
    })
  })

  test('a program that cannot be started is a SpawnError', async () => {
    const { eco } = await failing(undefined)
    expect(eco).toMatchObject({ exceptionclassname: 'SpawnError', pid: 0, data: { exit_code: null, signal: null } })
    expect(eco.errormessage).toContain('no such file')
  })

  test('a program that takes too long is ended, with all that it started', async () => {
    const { eco, task, service } = await failing(sh('echo "{\\"data\\":{\\"x\\":1}}"; sleep 60 & sleep 60'), { timeout: 0.3 })
    expect(service?.data).toEqual({ x: 1 })
    expect(eco).toMatchObject({
      ...{ exceptionclassname: 'TimeoutError', errormessage: 'Function call timed out' },
      data: { timed_out: true },
    })
    expect(task.state).toBe('failed')
  })
})

describe('tries', () => {
  const counting = (more: string): string => sh(`n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n >n; ${more}`)
  const tried = async (script: string, retry: JsonObject) => {
    const robot = await openRobot({
      vm: { manifest: { actions: { start: { retry: { delay: 0.01, ...retry } } } }, files: { 'actions/start': script } },
    })
    const guid = await robot.create('vm')
    const id = await robot.request(guid, 'start')
    return { ...(await robot.after(guid, id)), events: await robot.engine.events(id) }
  }

  test('go on until one succeeds', async () => {
    const { task } = await tried(
      counting('[ $n -ge 3 ] || exit 1; echo "{\\"result\\": \\"$n $INTENDANT_ATTEMPT $INTENDANT_TRIES\\"}"'),
      {},
    )
    expect(task).toMatchObject({ state: 'succeeded', result: { result: '3 3 4' } })
  })

  test('end with the last one, which counts the others', async () => {
    const { task, events } = await tried(sh('exit 1'), { tries: 3, delay: 0.02, backoff: 3 })
    expect(task).toMatchObject({ state: 'failed', attempt: 3 })
    expect(ecoOf(task)).toMatchObject({ occurrences: 3, count: 3, data: { attempt: 3 } })
    const failures = events.filter(({ type }) => type === 'OperationAttemptFailed')
    expect(failures[0]).toMatchObject({ data: { error: { details: { eco: { epoch: ecoOf(task).time_first } } } } })
    expect(events[0]).toMatchObject({ data: { policy: { attempts: 3, backoff: { initialMs: 20, factor: 3 } } } })
  })

  test.each([
    ['of a class that is not listed', sh('exit 1'), { on: ['TimeoutError'] }, 1],
    ['of a listed class', sh(`echo '{"error": {"class": "Busy"}}'; exit 1`), { tries: 2, on: ['Busy'] }, 2],
    ['that asks for none', sh(`echo '{"error": {"retry": false}}'; exit 1`), {}, 1],
  ])('after a failure %s', async (_name, script, retry, attempts) => {
    expect((await tried(script, retry)).task).toMatchObject({ state: 'failed', attempt: attempts })
  })
})

test('a task that is cancelled ends its program, and nothing of it counts', async () => {
  const robot = await openRobot({
    vm: {
      manifest: { actions: { start: {} } },
      files: { 'actions/start': sh('echo "{\\"data\\": {\\"x\\": 1}}"; echo begun >&2; sleep 60 & sleep 60') },
    },
  })
  const guid = await robot.create('vm')
  const id = await robot.request(guid, 'start')
  const next = await robot.request(guid, 'save')
  await expect.poll(() => robot.output(id)).toBe('begun\n')
  expect(robot.engine.queries.byId(next)?.state).toBe('pending')
  await robot.engine.cancel(id)
  const { task, service } = await robot.after(guid, id)
  expect(task).toMatchObject({ state: 'cancelled', error: null })
  expect(service?.data).toEqual({})
  expect((await robot.after(guid, next)).task.state).toBe('succeeded')
})

test('so many programs run at a time as the settings say, each service one, in order', async () => {
  // The first ones go on when three are there.
  const note = `#!/usr/bin/env node
const { existsSync, openSync, readdirSync, unlinkSync, writeFileSync } = require('fs')
const { service } = JSON.parse(require('fs').readFileSync(0))
const [, , shared] = process.argv
const mine = shared + '/' + service.guid
openSync(mine, 'wx')
const look = () => {
  const atOnce = readdirSync(shared).filter((name) => name !== 'enough').length
  if (atOnce < 3 && !existsSync(shared + '/enough')) return setTimeout(look, 5)
  writeFileSync(shared + '/enough', '')
  unlinkSync(mine)
  console.log(JSON.stringify({ result: atOnce }))
}
look()`
  const shared = temporaryDirectory()
  const robot = await openRobot(
    { vm: { manifest: { actions: { start: { run: ['./note', shared] } } }, files: { note } } },
    { settings: { concurrency: 3 } },
  )
  const guids = await Promise.all(Array.from({ length: 6 }, () => robot.create('vm')))
  const ids: string[][] = []
  for (const guid of guids) ids.push([await robot.request(guid, 'start'), await robot.request(guid, 'start')])
  const tasks = await Promise.all(guids.map((guid, n) => Promise.all((ids[n] ?? []).map((id) => robot.after(guid, id)))))
  const atOnce = tasks.flat().map(({ task }) => (task.result as { result: number }).result)
  expect(Math.max(...atOnce)).toBe(3)
  for (const [first, second] of tasks) expect(String(first?.task.finishedAt) <= String(second?.task.startedAt)).toBe(true)
})
