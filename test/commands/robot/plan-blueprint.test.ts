import { describe, expect, test } from 'vitest'
import { parseBlueprint } from '../../../src/commands/robot/blueprint-grammar.ts'
import { TemplateManifest } from '../../../src/commands/robot/manifest.ts'
import {
  type BlueprintPlan,
  type BlueprintRefusal,
  type BlueprintWorld,
  planBlueprint,
} from '../../../src/commands/robot/plan-blueprint.ts'
import type { LoadedTemplate, ServiceBinding } from '../../../src/commands/robot/template.ts'
import { compareTemplateVersions, parseTemplateReference, type TemplateUid } from '../../../src/commands/robot/template-uid.ts'
import type { JsonObject } from '../../../src/lib/json.ts'

const manifests: Readonly<Record<string, JsonObject>> = {
  'h/a/r/node/1.0.0': { actions: { start: {}, stop: {}, resize: { args: { size: { required: true } } } } },
  'h/a/r/node/1.10.0': { actions: { start: {}, stop: {} } },
  'h/a/r/node/1.9.0': { actions: { start: {} } },
  'h/a/r/vm/0.1.0': {
    actions: { boot: {}, stop: {} },
    schema: { type: 'object', properties: { cpus: { type: 'integer', default: 2 } } },
  },
  'h/a/r/disk/1.0.0': { actions: {} },
  'h/b/r/disk/1.0.0': { actions: {} },
}

const loaded = (uid: string): LoadedTemplate => ({
  ...(parseTemplateReference(uid) as TemplateUid),
  templateUid: uid,
  commit: 'c1',
  directory: '',
  manifest: TemplateManifest.parse({ version: '1.0.0', ...manifests[uid] }),
  repositoryKey: 'r',
})

const templates = Object.keys(manifests).map(loaded)

const worldWith = (services: readonly ServiceBinding[]): BlueprintWorld => {
  let ids = 0
  return {
    resolve: ({ host, name, version, ...home }) => {
      const fitting = templates.filter(
        (one) =>
          one.name === name &&
          (version === undefined || one.version === version) &&
          (host === undefined || Object.entries({ host, ...home }).every(([part, text]) => one[part as 'host'] === text)),
      )
      const homes = new Set(fitting.map((one) => `${one.host}/${one.account}/${one.repository}`))
      const [template] = fitting.toSorted((a, b) => compareTemplateVersions(b.version, a.version))
      if (homes.size > 1) return { fault: 'ambiguous' }
      return template === undefined ? { fault: 'unknown' } : { template }
    },
    named: (name) => services.filter((one) => one.name === name),
    all: () => services,
    manifestOf: ({ templateUid }) => loaded(templateUid).manifest,
    newId: () => `id${++ids}`,
    rest: async () => undefined,
  }
}

const service = (guid: string, name: string, templateUid: string): ServiceBinding => ({ guid, name, templateUid, commit: 'c1' })

const outcomeOf = (content: JsonObject, services: readonly ServiceBinding[]) =>
  planBlueprint(parseBlueprint(content).blueprint ?? expect.unreachable(), worldWith(services))

/** Creations, updates and tasks, each in a few words. */
const planned = async (content: JsonObject, services: readonly ServiceBinding[] = []) => {
  const { creations, updates, tasks } = (await outcomeOf(content, services)).plan ?? expect.unreachable()
  return {
    creations: creations.map(({ service: one, data }) => [one.name, one.templateUid, data]),
    updates: updates.map(({ service: one, args, priority }) => [one.guid, args.data, priority]),
    tasks: tasks.map(({ service: one, action }) => `${action} ${one.name}`),
  } satisfies Record<keyof BlueprintPlan, unknown>
}

const refused = async (content: JsonObject, services: readonly ServiceBinding[] = []): Promise<BlueprintRefusal> =>
  (await outcomeOf(content, services)).refused ?? expect.unreachable()

describe('services', () => {
  test('are created with the highest version and the defaults of its schema', async () =>
    expect(await planned({ services: [{ node__n: { a: 1 } }, { vm__v: null }, { 'node/1.0.0__old': null }] })).toEqual({
      creations: [
        ['n', 'h/a/r/node/1.10.0', { a: 1 }],
        ['v', 'h/a/r/vm/0.1.0', { cpus: 2 }],
        ['old', 'h/a/r/node/1.0.0', {}],
      ],
      updates: [],
      tasks: [],
    }))

  test('that are there are given the data, and left alone where there is none', async () => {
    const there = [service('g1', 'n', 'h/a/r/node/1.10.0')]
    for (const key of ['h/a/r/node/1.10.0__n', 'h/a/r/node__n', 'node/1.10.0__n', 'node__n']) {
      expect(await planned({ [key]: { a: 1 } }, there)).toEqual({ creations: [], updates: [['g1', { a: 1 }, 0]], tasks: [] })
      expect(await planned({ [key]: {} }, there)).toEqual({ creations: [], updates: [], tasks: [] })
      expect(await planned({ [key]: null }, there)).toEqual({ creations: [], updates: [], tasks: [] })
    }
  })

  test('are found in any version by a reference without one: the highest', async () => {
    const there = [
      service('g1', 'n', 'h/a/r/node/1.0.0'),
      service('g2', 'n', 'h/a/r/node/1.9.0'),
      service('g3', 'other', 'h/a/r/node/1.10.0'),
    ]
    expect((await planned({ node__n: { a: 1 } }, there)).updates).toEqual([['g2', { a: 1 }, 0]])
    expect((await planned({ 'h/a/r/node__n': { a: 1 } }, there)).updates).toEqual([['g2', { a: 1 }, 0]])
    expect((await planned({ 'node/1.0.0__n': { a: 1 } }, there)).updates).toEqual([['g1', { a: 1 }, 0]])
    expect((await planned({ 'node/1.10.0__n': { a: 1 } }, there)).creations).toEqual([['n', 'h/a/r/node/1.10.0', { a: 1 }]])
  })

  test('that are described twice are created once, and then given the data', async () => {
    const plan = (await outcomeOf({ services: [{ node__n: { a: 1 } }, { 'h/a/r/node/1.10.0__n': { a: 2 } }], node__n: null }, []))
      .plan
    expect(plan?.creations).toHaveLength(1)
    expect(plan?.updates).toMatchObject([{ service: plan?.creations[0]?.service, args: { data: { a: 2 } } }])
  })

  test('of different templates may have one name', async () =>
    expect((await planned({ services: [{ node__n: null }, { vm__n: null }] })).creations).toEqual([
      ['n', 'h/a/r/node/1.10.0', {}],
      ['n', 'h/a/r/vm/0.1.0', { cpus: 2 }],
    ]))

  test('are refused with the template that is unknown, or means several', async () => {
    expect(await refused({ 'h/a/r/none__n': null })).toEqual({ reason: 'unknown-template', text: 'h/a/r/none' })
    expect(await refused({ '/node/9.9.9__n': null })).toEqual({ reason: 'unknown-template', text: '/node/9.9.9' })
    expect(await refused({ disk__n: null })).toEqual({ reason: 'ambiguous-template', name: 'disk' })
    expect(await refused({ 'disk/1.0.0__n': null })).toEqual({ reason: 'ambiguous-template', name: 'disk' })
  })

  test('that are there make a name mean one template, or several', async () => {
    const [one, other] = [service('g1', 'd', 'h/a/r/disk/1.0.0'), service('g2', 'd', 'h/b/r/disk/1.0.0')] as const
    expect((await planned({ disk__d: { a: 1 } }, [one])).updates).toEqual([['g1', { a: 1 }, 0]])
    expect(await refused({ disk__d: { a: 1 } }, [one, other])).toEqual({ reason: 'ambiguous-template', name: 'disk' })
    expect((await planned({ 'h/b/r/disk__d': { a: 1 } }, [one, other])).updates).toEqual([['g2', { a: 1 }, 0]])
  })

  test('are refused with data that the schema does not take', async () =>
    expect(await refused({ vm__v: { cpus: 'two' } })).toMatchObject({
      reason: 'invalid-data',
      name: 'v',
      uid: 'h/a/r/vm/0.1.0',
      fault: { pointer: '/cpus' },
    }))
})

describe('actions', () => {
  const there = [
    service('g1', 'n1', 'h/a/r/node/1.0.0'),
    service('g2', 'v1', 'h/a/r/vm/0.1.0'),
    service('g3', 'n2', 'h/a/r/node/1.9.0'),
    service('g4', 'n1', 'h/a/r/vm/0.1.0'),
  ]
  const tasksOf = async (actions: JsonObject | readonly JsonObject[], more: JsonObject = {}) =>
    (await planned({ actions, ...more }, there)).tasks

  test('are scheduled block by block, action by action, service by service in order of creation', async () =>
    expect(
      await tasksOf(
        [
          { actions: ['start', 'start'], template: 'node' },
          { action: 'stop', service: 'v1' },
        ],
        { services: [{ node__n3: null }] },
      ),
    ).toEqual(['start n1', 'start n2', 'start n3', 'start n1', 'start n2', 'start n3', 'stop v1']))

  test.each<[JsonObject, readonly string[]]>([
    [{ service: 'n1', template: 'h/a/r/node/1.0.0' }, ['start n1']],
    [{ service: 'n1', template: 'h/a/r/node' }, ['start n1']],
    [{ template: 'h/a/r/node' }, ['start n1', 'start n2']],
    [{ template: 'node/1.9.0' }, ['start n2']],
    [{ template: 'node' }, ['start n1', 'start n2']],
    [{ service: 'nobody' }, []],
    [{ template: 'nowhere' }, []],
    [{ service: 'n2', template: 'vm' }, []],
    [{ service: '' }, []],
  ])('%j', async (selector, tasks) => expect(await tasksOf({ action: 'start', ...selector })).toEqual(tasks))

  test('without a service pass over those that do not have them, unless none has', async () => {
    expect(await tasksOf({ action: 'start' })).toEqual(['start n1', 'start n2'])
    expect(await tasksOf({ action: 'boot' })).toEqual(['boot v1', 'boot n1'])
    expect(await refused({ actions: { action: 'fly' } }, there)).toEqual({
      reason: 'unknown-action',
      action: 'fly',
      message: "action 'fly' not found",
    })
  })

  test('with a service are to be there on each that is selected', async () => {
    expect(await refused({ actions: { action: 'start', service: 'n1' } }, there)).toMatchObject({ reason: 'unknown-action' })
    expect(await refused({ actions: { action: 'constructor', service: 'v1' } }, there)).toMatchObject({
      reason: 'unknown-action',
    })
  })

  test('are refused with arguments that they do not take', async () => {
    expect(await refused({ actions: { action: 'resize', service: 'n1', template: 'node' } }, there)).toEqual({
      reason: 'bad-arguments',
      action: 'resize',
      message: 'parameter size is mandatory but not passed to in args',
    })
    expect(await refused({ actions: { action: 'start', args: { b: 1, a: 2 } } }, there)).toEqual({
      reason: 'bad-arguments',
      action: 'start',
      message: 'arguments "a,b" are not present in the signature of the action',
    })
  })

  test('schedule nothing where there is no service', async () =>
    expect((await planned({ actions: { action: 'start' } })).tasks).toEqual([]))

  test('are bounded in number and size', async () => {
    const many = Array.from({ length: 101 }, (_, n) => service(`g${n}`, `n${n}`, 'h/a/r/node/1.0.0'))
    const actions = { actions: Array.from({ length: 100 }, () => 'start') }
    expect(await refused({ actions }, many)).toEqual({ reason: 'too-large', most: '5000 tasks' })
    const args = { size: 'x'.repeat(30_000) }
    expect(await refused({ actions: { action: 'resize', args } }, many)).toMatchObject({ reason: 'too-large' })
  })
})
