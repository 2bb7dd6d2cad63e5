import { describe, expect, test } from 'vitest'
import { TemplateManifest } from '../../../src/commands/robot/manifest.ts'
import { faultOfTask, planTask } from '../../../src/commands/robot/plan-task.ts'
import type { JsonObject } from '../../../src/lib/json.ts'

const manifest = TemplateManifest.parse({
  version: '1.0.0',
  actions: {
    start: {
      args: {
        disk: { required: true, schema: { type: 'object', properties: { size: { type: 'integer' } } } },
        size: { default: 3 },
        kind: { required: true, default: null },
        token: { schema: { type: 'string', 'x-secret': true } },
      },
      retry: { tries: 3, delay: 0.5, backoff: 2 },
      timeout: 90,
      resume: 'fail',
    },
    free: { kwargs: true, retry: {} },
    plain: {},
  },
})
const guid = '00000000-0000-7000-8000-000000000001'
const sealed = { $sealed: 'x', subject: `robotService-${guid}` }
const plan = (action: string, args: JsonObject = {}, priority?: number) =>
  planTask({ guid }, manifest, { action, args, ...(priority === undefined ? {} : { priority }) }, async () => sealed)

describe('what cannot be a task', () => {
  test.each([
    ['stop', {}, 'unknown-action', `action 'stop' not found`],
    ['constructor', {}, 'unknown-action', `action 'constructor' not found`],
    ['__proto__', {}, 'unknown-action', `action '__proto__' not found`],
    ['_hidden', {}, 'unknown-action', `action '_hidden' not found`],
    ['validate', {}, 'unknown-action', `action 'validate' not found`],
    ['start', {}, 'bad-arguments', 'parameter disk is mandatory but not passed to in args'],
    ['start', { b: 1 }, 'bad-arguments', 'parameter disk is mandatory but not passed to in args'],
    ['start', { disk: {}, b: 1, a: 2 }, 'bad-arguments', 'arguments "a,b" are not present in the signature of the action'],
    ['start', { disk: { size: 'x' } }, 'bad-arguments', 'args/disk/size must be integer'],
    ['plain', { toString: 1 }, 'bad-arguments', 'arguments "toString" are not present in the signature of the action'],
    ['update_data', {}, 'bad-arguments', 'parameter data is mandatory but not passed to in args'],
    ['update_data', { data: 1 }, 'bad-arguments', 'args/data must be object'],
    ['delete', { now: true }, 'bad-arguments', 'arguments "now" are not present in the signature of the action'],
    ['save', { x: 1 }, 'bad-arguments', 'arguments "x" are not present in the signature of the action'],
  ])('%s with %j', async (action, args, reason, message) => {
    expect(faultOfTask(manifest, { action, args })).toEqual({ reason, message })
    expect(await plan(action, args)).toEqual({ refused: { reason, message } })
  })
})

test('a task has defaults, sealed secrets, the lane of its service and the policy of its action', async () => {
  expect(await plan('start', { disk: { size: 1 }, token: 'secret' })).toEqual({
    request: {
      kind: 'robot.action',
      face: 'robot',
      input: { service: guid, action: 'start', args: { disk: { size: 1 }, token: sealed, size: 3, kind: null } },
      lane: `robot:${guid}`,
      priority: 10,
      wholePolicy: {
        attempts: 3,
        timeoutMs: 90_000 + 7_200_000,
        backoff: { initialMs: 500, factor: 2, maxMs: 315_360_000_000 },
        whenLost: 'fail',
        lostAttempts: 5,
      },
    },
  })
})

test('undeclared arguments pass where the action takes any; a retry has four tries by itself', async () => {
  expect(await plan('free', { a: 1 }, 0)).toMatchObject({
    request: {
      input: { args: { a: 1 } },
      priority: 0,
      wholePolicy: { attempts: 4, backoff: { initialMs: 3_000, factor: 2 }, whenLost: 'retry' },
    },
  })
})

test('without a retry there is one try, without a time limit', async () => {
  expect(await plan('plain')).toMatchObject({ request: { wholePolicy: { attempts: 1, timeoutMs: 315_360_000_000 } } })
})
