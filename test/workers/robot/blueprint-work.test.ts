import { describe, expect, test } from 'vitest'
import type { BlueprintInput } from '../../../src/commands/robot/blueprint.ts'
import { defaultRobotSettings } from '../../../src/commands/robot/settings.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { JsonValue } from '../../../src/lib/json.ts'
import { AttemptAborted } from '../../../src/workers/engine/attempt.ts'
import { blueprintWork } from '../../../src/workers/robot/blueprint/blueprint-work.ts'
import type { RobotPorts } from '../../../src/workers/robot/robot-ports.ts'
import type { WorkContext } from '../../../src/workers/work.ts'
import { temporaryDirectory } from '../../stores/temporary.ts'

const uid = 'host/acme/repo/vm/1.0.0'
const manifest = JSON.stringify({ version: '1.0.0', actions: { boot: { args: {} } }, hooks: {} })
const templateRow = {
  ...{ uid, host: 'host', account: 'acme', repository: 'repo', name: 'vm', version: '1.0.0' },
  ...{ commit_id: 'c', repository_key: 'k', directory: 'd', manifest },
}
const operationId = '019ad0c4-4b5c-7c3e-8f00-1f2e3d4c5b6a'

const task = (id: string, service: string, action = 'boot', priority = 10) => ({ id, service, action, args: {}, priority })
const described = (guid: string, name: string, data = {}) => ({
  guid,
  create: { name, templateUid: uid, commit: 'c', data, public: false, origin: 'blueprint' as const },
  given: Object.keys(data),
})

/** What surrounds the work, in memory: everything that it does is in `done`, in order. */
const createWorld = ({ there = [] as readonly string[], taken = {} as Readonly<Record<string, string>> } = {}) => {
  const world = {
    done: [] as string[],
    live: new Set(there),
    names: new Map(Object.entries(taken)),
    steps: new Map<string, JsonValue>(),
    /** Called before each thing that is done, and after each step. */
    before: (_what: string): void => undefined,
  }
  const doing = (what: string): void => {
    world.before(what)
    world.done.push(what)
  }
  const serviceRow = (guid: string) => ({
    ...{ guid, name: 'n', template_uid: uid, commit_id: 'c', public: 0, origin: 'api', data: '{}', state: '[]', held: 0 },
    ...{ validation: null, deleting: 0 },
  })
  const ports = {
    settings: defaultRobotSettings(temporaryDirectory()),
    log: { head: async () => '1' },
    projections: {
      reached: async () => true,
      views: (view: string) => ({
        get: (_sql: string, guid: string) =>
          view === 'robot-templates' ? templateRow : world.live.has(guid) ? serviceRow(guid) : undefined,
        all: (_sql: string, name: string) =>
          [...world.names].flatMap(([one, guid]) => (one === name && world.live.has(guid) ? [serviceRow(guid)] : [])),
      }),
    },
    executor: {
      load: async (_decider: unknown, stream: string) => ({
        state: { status: world.live.has(stream.slice('robotService-'.length)) ? 'live' : 'absent' },
      }),
      execute: async (_decider: unknown, command: { type: string; guid?: string; id?: string }) => {
        doing(`${command.type} ${command.guid ?? command.id}`)
        if (command.type === 'CreateService') world.live.add(String(command.guid))
        return { state: {} }
      },
    },
    names: {
      claim: async ({ name, guid }: { name: string; guid: string }) => {
        const holder = world.names.get(name) ?? guid
        if (holder === guid) doing(`claim ${name}`)
        world.names.set(name, holder)
        return holder === guid
      },
      release: async ({ name, guid }: { name: string; guid: string }) => {
        doing(`release ${name}`)
        if (world.names.get(name) === guid) world.names.delete(name)
      },
    },
    checkouts: { checkout: async () => ({ template: { manifest: JSON.parse(manifest) }, directory: '' }) },
    programs: {},
    recurring: { register: async () => [] },
    forget: async () => true,
    clock: systemClock,
    submit: async (request: { kind: string; input: { service: string } }, { commandId }: { commandId: string }) => {
      const isTask = request.kind === 'robot.action'
      doing(`${request.kind} ${isTask ? commandId : request.input.service}`)
      return { operationId: commandId, revision: 0, position: null }
    },
  } as unknown as RobotPorts
  const attempt = (input: BlueprintInput, signal = new AbortController().signal) =>
    blueprintWork(ports).run(input, {
      operationId,
      attempt: 1,
      correlationId: operationId,
      actor: { principal: 'p', face: 'robot', address: null },
      signal,
      output: async () => undefined,
      open: async () => null,
      seal: async () => expect.unreachable(),
      step: async (name: string, take: () => Promise<JsonValue>) => {
        signal.throwIfAborted()
        const known = world.steps.get(name)
        if (known !== undefined) return known
        const result = JSON.parse(JSON.stringify(await take()))
        world.before(`step ${name}`)
        world.steps.set(name, result)
        return result
      },
    } as unknown as WorkContext)
  return { world, attempt }
}

const input: BlueprintInput = {
  services: [described('g2', 'two'), described('g1', 'one')],
  updates: [task('u1', 'g2', 'boot', 0)],
  tasks: [task('t1', 'g1'), task('t2', 'old'), task('t3', 'g1')],
}
const outcome = {
  services: ['g2', 'g1'],
  tasks: [
    { id: 't1', service: 'g1' },
    { id: 't2', service: 'old' },
    { id: 't3', service: 'g1' },
  ],
}

describe('a blueprint', () => {
  test('claims names in one order, creates services in that of the blueprint, and then requests tasks', async () => {
    const { world, attempt } = createWorld({ there: ['old'] })
    expect(await attempt(input)).toEqual(outcome)
    expect(world.done.slice(0, 4)).toEqual(['claim one', 'claim two', 'CreateService g2', 'CreateService g1'])
    expect(world.done.slice(4).toSorted()).toEqual(['t1', 't2', 't3', 'u1'].map((id) => `robot.action ${id}`))
    expect(world.done.indexOf('robot.action t1')).toBeLessThan(world.done.indexOf('robot.action t3'))
  })

  test('goes on after a crash at any place, and does the same in the end', async () => {
    const whole = createWorld({ there: ['old'] })
    let places = 0
    whole.world.before = () => {
      places++
    }
    await whole.attempt(input)
    expect(places).toBeGreaterThan(10)
    for (let crash = 0; crash < places; crash++) {
      const { world, attempt } = createWorld({ there: ['old'] })
      let place = 0
      world.before = () => {
        if (place++ === crash) throw new Error('crash')
      }
      await expect(attempt(input)).rejects.toThrow('crash')
      expect(await attempt(input)).toEqual(outcome)
      expect(new Set(world.done)).toEqual(new Set(whole.world.done))
      const order = (what: string): string[] => world.done.filter((one) => one.startsWith(what)).slice(-2)
      expect(order('CreateService')).toEqual(['CreateService g2', 'CreateService g1'].slice(-order('CreateService').length))
    }
  })

  test('waits for a name that a service has which is not there yet', async () => {
    const { world, attempt } = createWorld({ there: ['old'], taken: { one: 'other' } })
    await expect(attempt(input)).rejects.toMatchObject({ type: 'name-busy', retryable: true, retryAfterMs: 200 })
    expect(world.done).toEqual([])
    world.names.clear()
    expect(await attempt(input)).toEqual(outcome)
  })

  test('gives the data to a service that somebody has created meanwhile', async () => {
    const { world, attempt } = createWorld({ there: ['other'], taken: { one: 'other' } })
    const result = await attempt({
      services: [described('g1', 'one', { a: 1 }), described('g2', 'two')],
      updates: [],
      tasks: [task('t1', 'g1')],
    })
    expect(result).toEqual({ services: ['g2'], tasks: [{ id: 't1', service: 'other' }] })
    expect(world.done).toEqual([
      'claim two',
      'CreateService g2',
      expect.stringMatching(/^robot.action [0-9a-f-]{36}$/),
      'robot.action t1',
      'release one',
    ])
    expect(world.names.get('one')).toBe('other')
  })

  test('that names a service which was deleted meanwhile creates nothing', async () => {
    const { world, attempt } = createWorld()
    const failed = { type: 'blueprint-refused', retryable: false, details: { refusal: { reason: 'service-gone', guid: 'old' } } }
    await expect(attempt(input)).rejects.toMatchObject({ ...failed, details: { ...failed.details, deletions: [] } })
    expect(world.live).toEqual(new Set())
    expect(world.names).toEqual(new Map())
  })

  test('that fails after it has created services is undone, however often its undoing is interrupted', async () => {
    for (let crash = 0; crash < 8; crash++) {
      const { world, attempt } = createWorld({ there: ['old'] })
      let place = 0
      world.before = (what) => {
        if (what === 'step services') world.live.delete('old')
        if (world.steps.get('tasks') != null && place++ === crash) throw new Error('crash')
      }
      const failed = { type: 'blueprint-refused', details: { refusal: { reason: 'service-gone', guid: 'old' } } }
      const first = await attempt(input).catch((error: unknown) => error)
      if ((first as Error).message === 'crash') await expect(attempt(input)).rejects.toMatchObject(failed)
      else expect(first).toMatchObject(failed)
      expect(world.done).toEqual(expect.arrayContaining(['robot.delete g1', 'robot.delete g2']))
      for (const id of ['u1', 't1', 't2', 't3']) expect(world.done).toContain(`CancelOperation ${id}`)
    }
  })

  test.each(['cancelled', 'timed-out'] as const)('that is %s is undone', async (why) => {
    const { world, attempt } = createWorld({ there: ['old'] })
    const controller = new AbortController()
    world.before = (what) => {
      if (what === 'step services') controller.abort(new AttemptAborted(why))
    }
    await expect(attempt(input, controller.signal)).rejects.toThrow(AttemptAborted)
    expect(world.done).toEqual(expect.arrayContaining(['robot.delete g1', 'robot.delete g2']))
  })

  test.each(['shutdown', 'lease-lost'] as const)('that is interrupted (%s) is left to the next attempt', async (why) => {
    const { world, attempt } = createWorld({ there: ['old'] })
    const controller = new AbortController()
    world.before = (what) => {
      if (what === 'step services') controller.abort(new AttemptAborted(why))
    }
    await expect(attempt(input, controller.signal)).rejects.toThrow(AttemptAborted)
    expect(world.done.filter((one) => /delete|Cancel|release/.test(one))).toEqual([])
    expect(await attempt(input)).toEqual(outcome)
  })
})
