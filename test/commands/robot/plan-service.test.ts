import { expect, test } from 'vitest'
import { TemplateManifest } from '../../../src/commands/robot/manifest.ts'
import { planService, type ResolveTemplate } from '../../../src/commands/robot/plan-service.ts'
import type { LoadedTemplate } from '../../../src/commands/robot/template.ts'

const manifest = TemplateManifest.parse({
  version: '1.0.0',
  actions: {},
  schema: {
    type: 'object',
    required: ['size'],
    properties: { size: { type: 'integer', default: 3 }, disk: { type: 'object', properties: { path: { default: '/' } } } },
    additionalProperties: false,
  },
})
const loaded = (name: string, more: Partial<LoadedTemplate> = {}): LoadedTemplate => ({
  ...{ host: 'host', account: 'acme', repository: 'repo', name, version: '1.0.0', commit: 'c' },
  ...{ templateUid: `host/acme/repo/${name}/1.0.0`, directory: `templates/${name}`, repositoryKey: 'key', manifest },
  ...more,
})
const resolve: ResolveTemplate = ({ name }) =>
  name === 'many' ? { fault: 'ambiguous' } : name === 'none' ? { fault: 'unknown' } : { template: loaded(name) }

const plan = (template: string, data = {}) => planService({ template, data }, resolve)

test('fills the defaults of the schema, also inside of what was given', () => {
  expect(plan('vm', { disk: {} }).planned?.data).toEqual({ disk: { path: '/' }, size: 3 })
})

test('takes any data where the template has no schema', () => {
  const open = { ...manifest, schema: undefined }
  const found = planService({ template: 'vm', data: { any: [1] } }, () => ({ template: loaded('vm', { manifest: open }) }))
  expect(found.planned?.data).toEqual({ any: [1] })
})

test.each([
  ['none', { reason: 'unknown-template', text: 'none' }],
  ['/none/1.0.0/', { reason: 'unknown-template', text: '/none/1.0.0/' }],
  ['many/1.0.0', { reason: 'ambiguous-template', name: 'many' }],
  ['v-m', { reason: 'malformed-template', text: 'v-m' }],
  ['a/b/c', { reason: 'malformed-template', text: 'a/b/c' }],
])('refuses %s', (template, refused) => {
  expect(plan(template)).toEqual({ refused })
})

test('refuses data that does not fit', () => {
  expect(plan('vm', { size: 'large' }).refused).toEqual({
    reason: 'invalid-data',
    fault: { pointer: '/size', reason: 'must be integer' },
  })
  expect(plan('vm', { other: 1 }).refused).toMatchObject({ fault: { reason: 'unknown member "other"' } })
})
