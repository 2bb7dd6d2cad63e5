import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Blueprint, type BlueprintFault, parseBlueprint } from '../../../src/commands/robot/blueprint-grammar.ts'
import type { JsonObject } from '../../../src/lib/json.ts'

const uid = 'github.com/acme/templates/node/0.0.1'
const node = { host: 'github.com', account: 'acme', repository: 'templates', name: 'node', version: '0.0.1' }
const read = (content: JsonObject): Blueprint => parseBlueprint(content).blueprint ?? expect.unreachable()
const faultOf = (content: JsonObject): BlueprintFault => parseBlueprint(content).refused ?? expect.unreachable()

describe('a blueprint', () => {
  test("in the original's form", () => {
    const content = {
      services: [{ [`${uid}__node1`]: { foo: 'bar' } }, { 'vm__vm-1': null, 'vm/1.0.0__vm_2': {} }],
      actions: { template: uid, service: 'node1', actions: [' start', 'monitor '], args: { n: 1 }, recurring: '1m' },
    }
    expect(read(content)).toEqual({
      services: [
        { template: node, templateText: uid, name: 'node1', data: { foo: 'bar' } },
        { template: { name: 'vm' }, templateText: 'vm', name: 'vm-1', data: {} },
        { template: { name: 'vm', version: '1.0.0' }, templateText: 'vm/1.0.0', name: 'vm_2', data: {} },
      ],
      actions: [{ actions: ['start', 'monitor'], service: 'node1', template: node, args: { n: 1 } }],
    })
  })

  test("in the seed's form", () => {
    const content = { node__node1: { foo: 'bar' }, actions: [{ template: 'node', action: 'start' }, { actions: 'stop' }] }
    expect(read(content)).toEqual({
      services: [{ template: { name: 'node' }, templateText: 'node', name: 'node1', data: { foo: 'bar' } }],
      actions: [
        { actions: ['start'], service: undefined, template: { name: 'node' }, args: {} },
        { actions: ['stop'], service: undefined, template: undefined, args: {} },
      ],
    })
  })

  test('reads services at the top after those of the list, in the order of their keys', () => {
    const { services } = read({ b__2: {}, services: [{ c__1: {} }], a__3: {} })
    expect(services.map(({ name }) => name)).toEqual(['1', '2', '3'])
  })

  test.each<JsonObject>([
    {},
    { services: null, actions: null },
    { services: [], actions: [] },
    { eventFilters: [], version: 1, toString: 1 },
  ])('may have nothing to do: %j', (content) => expect(read(content)).toEqual({ services: [], actions: [] }))

  test('takes null for an optional member that is absent', () => {
    expect(read({ actions: { actions: null, action: 'start', template: null, service: null, args: null } }).actions).toEqual([
      { actions: ['start'], service: undefined, template: undefined, args: {} },
    ])
  })
})

describe('the key of a service', () => {
  const split = (key: string) =>
    read({ services: [{ [key]: null }] }).services.map(({ templateText, name }) => [templateText, name])[0]
  test.each([
    ['node__node1', 'node', 'node1'],
    ['node___node1', 'node', '_node1'],
    ['node__a__b', 'node', 'a__b'],
    [`${uid}__n`, uid, 'n'],
    ['github.com/ac__me/temp__lates/node__n', 'github.com/ac__me/temp__lates/node', 'n'],
    ['/node/__n', '/node/', 'n'],
    ['Knoten__Größe-1.٣', 'Knoten', 'Größe-1.٣'],
  ])('%s', (key, template, name) => expect(split(key)).toEqual([template, name]))

  test.each(['node_node1', 'node', '', 'github.com/ac__me/templates/node'])('%j has no separator', (key) =>
    expect(faultOf({ services: [{ [key]: null }] })).toEqual({ reason: 'key-format', key }),
  )

  test.each(['node1$bad', '', '-_.', 'a b', 'a\n', 'é!'])('%j is no name', (name) =>
    expect(faultOf({ services: [{ [`node__${name}`]: null }] })).toEqual({ reason: 'service-name', name }),
  )

  test.each(['node$bad', '', 'a/b/c', 'a/b/c/d/e/0.0.1', 'node-1', 'node/1.0', `${uid}.x`])('%j is no template', (template) =>
    expect(faultOf({ services: [{ [`${template}__n`]: null }] })).toEqual({ reason: 'key-template' }),
  )

  test('has the key __proto__ as any other', () =>
    expect(faultOf(JSON.parse('{"__proto__": {}}'))).toEqual({ reason: 'key-template' }))
})

describe('what is misshapen', () => {
  const action = (members: JsonObject): JsonObject => ({ actions: [{ actions: 'start', ...members }] })
  test.each<[JsonObject, string, string]>([
    [{ services: {} }, '/services', 'a list'],
    [{ services: 'node__n' }, '/services', 'a list'],
    [{ services: ['node__n'] }, '/services/0', 'an object'],
    [{ services: [{}, []] }, '/services/1', 'an object'],
    [{ services: [{ node__n: 'data' }] }, '/services/0/node__n', 'an object'],
    [{ services: [{ 'h/a/r/t__n': 1 }] }, '/services/0/h~1a~1r~1t__n', 'an object'],
    [{ node__n: [] }, '/node__n', 'an object'],
    [{ actions: 'start' }, '/actions', 'an object or a list of objects'],
    [{ actions: ['start'] }, '/actions/0', 'an object'],
    [{ actions: { actions: 1 } }, '/actions/actions', 'a text or a list of texts'],
    [{ actions: { action: [null] } }, '/actions/action', 'a text or a list of texts'],
    [action({ args: [] }), '/actions/0/args', 'an object'],
    [action({ args: 'a=1' }), '/actions/0/args', 'an object'],
    [action({ service: 1 }), '/actions/0/service', 'a text'],
    [action({ template: {} }), '/actions/0/template', 'a text'],
  ])('%j', (content, pointer, expected) => expect(faultOf(content)).toEqual({ reason: 'shape', pointer, expected }))

  test.each<JsonObject>([{}, { service: 'node1', template: uid }, { actions: [] }, { actions: null }])(
    '%j names no action',
    (actions) => expect(faultOf({ actions })).toEqual({ reason: 'no-action' }),
  )

  test.each(['node$bad', '', 'a/b/c'])('%j is no template of an action', (template) =>
    expect(faultOf(action({ template }))).toEqual({ reason: 'action-template', text: template }),
  )
})

describe('any blueprint', () => {
  const templateName = fc.stringMatching(/^[\p{L}\p{N}]{1,8}$/u)
  const version = fc.stringMatching(/^\d{1,3}\.\d{1,3}\.\d{1,3}$/)
  const segment = fc.stringMatching(/^[a-z](_{0,2}[a-z0-9.]){0,6}$/)
  const template = fc.oneof(
    templateName,
    fc.tuple(templateName, version).map((parts) => parts.join('/')),
    fc.tuple(segment, segment, segment, templateName).map((parts) => parts.join('/')),
    fc.tuple(segment, segment, segment, templateName, version).map((parts) => parts.join('/')),
  )
  const serviceName = fc.stringMatching(/^[-_.]{0,2}[\p{L}\p{N}]([-_.]?[\p{L}\p{N}]){0,6}$/u)
  const data = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }) as fc.Arbitrary<JsonObject>

  test('gives each service as it was written, in order', () =>
    fc.assert(
      fc.property(fc.array(fc.tuple(template, serviceName, data)), (services) => {
        const { blueprint } = parseBlueprint({
          services: services.map(([one, name, members]) => ({ [`${one}__${name}`]: members })),
        })
        expect(blueprint?.services.map((one) => [one.templateText, one.name, one.data])).toEqual(services)
      }),
    ))

  test('is read or refused, whatever it holds', () =>
    fc.assert(
      fc.property(
        fc.oneof(
          data,
          fc.record({ services: fc.jsonValue(), actions: fc.jsonValue() }, { requiredKeys: [] }),
          fc.record({
            services: fc.array(fc.dictionary(fc.oneof(fc.string(), template), fc.jsonValue())),
            actions: fc.array(data),
          }),
        ),
        (content) => {
          const { blueprint, refused } = parseBlueprint(content as JsonObject)
          expect((blueprint === undefined) !== (refused === undefined)).toBe(true)
        },
      ),
    ))
})
