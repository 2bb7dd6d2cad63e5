import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { readManifests } from '../../../src/workers/robot/git/read-manifests.ts'
import { readTemplates } from '../../../src/workers/robot/git/read-templates.ts'
import { temporaryDirectory } from '../../stores/temporary.ts'

const checkout = (files: Readonly<Record<string, string>>): string => {
  const directory = temporaryDirectory()
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(directory, dirname(path)), { recursive: true })
    writeFileSync(join(directory, path), content)
  }
  return directory
}
const vm = 'templates/vm/template.json'
const manifest = (more: object = {}): string => JSON.stringify({ version: '1.0.0', actions: {}, ...more })

describe('discovery', () => {
  test('takes every folder right below templates that has a manifest, in the order of their names', async () => {
    const found = await readTemplates(
      checkout({
        [vm]: manifest(),
        'templates/node.d/template.yaml': 'version: 0.1.0\nactions:\n  start:\n    args: { size: { required: true } }\n',
        'templates/other/template.yml': 'version: 0.1.0\nactions: {}\n',
        'templates/empty/README': '',
        'templates/deep/inside/template.json': manifest(),
        'templates/__pycache__/template.json': '{',
        'templates/template.json': '{',
      }),
    )
    expect(found.templates.map(({ name, directory }) => [name, directory])).toEqual([
      ['node', 'templates/node.d'],
      ['other', 'templates/other'],
      ['vm', 'templates/vm'],
    ])
    expect(found.templates[0]?.manifest.actions.start).toMatchObject({ args: { size: { required: true } }, resume: 'rerun' })
    expect(found.skipped).toEqual(['templates/deep', 'templates/empty'])
  })

  test('does not follow links', async () => {
    const directory = checkout({ 'shared/vm/template.json': manifest() })
    symlinkSync('shared', join(directory, 'templates'))
    await expect(readTemplates(directory)).rejects.toMatchObject({ type: 'no-templates' })
    const other = checkout({ 'templates/.keep': '', 'shared/vm/template.json': manifest() })
    symlinkSync('../shared/vm', join(other, 'templates/vm'))
    expect(await readTemplates(other)).toEqual({ templates: [], skipped: [] })
  })

  test('needs a folder templates', () =>
    expect(readTemplates(checkout({ 'README.md': '' }))).rejects.toMatchObject({ type: 'no-templates', retryable: false }))
})

describe('a manifest is refused with file, key and reason', () => {
  const action = (more: object) => ({ [vm]: manifest({ actions: { start: more } }) })
  test.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ['no version', { [vm]: '{"actions": {}}' }, /^templates\/vm\/template\.json: version: /],
    ['a version of two parts', { [vm]: manifest({ version: '1.0' }) }, /: version: a version such as 1\.0\.0$/],
    ['no actions', { [vm]: '{"version": "1.0.0"}' }, /: actions: /],
    ['a reserved action', { [vm]: manifest({ actions: { save: {} } }) }, /: actions\.save: a reserved name$/],
    [
      'an action __proto__',
      { [vm]: '{"version": "1.0.0", "actions": {"__proto__": {}}}' },
      /: actions\.__proto__: letters, digits and _, a letter first$/,
    ],
    [
      'an action __proto__ in YAML',
      { 'templates/vm/template.yaml': 'version: 1.0.0\nactions: { __proto__: {} }' },
      /template\.yaml: actions\.__proto__: /,
    ],
    ['an action with a hyphen', { [vm]: manifest({ actions: { 'a-b': {} } }) }, /: actions\.a-b: letters, digits and _/],
    [
      'depth',
      { [vm]: `{"x": ${'['.repeat(5_000)}${']'.repeat(5_000)}}` },
      /template\.json: it is nested deeper than 100 levels$/,
    ],
    ['YAML that holds itself', { 'templates/vm/template.yaml': 'a: &a { b: *a }' }, /template\.yaml: it is nested deeper/],
    [
      'another dialect',
      { [vm]: manifest({ schema: { type: 'object', $schema: 'http://json-schema.org/draft-07/schema#' } }) },
      /: schema: it is written in .*draft-07.*: only JSON Schema 2020-12/,
    ],
    ['another name', { [vm]: manifest({ name: 'node' }) }, /: name: "node" is not "vm"/],
    ['an empty run', action({ run: [] }), /: actions\.start\.run: /],
    ['a run that leads out', action({ run: ['python3', './../x'] }), /: actions\.start\.run: \.\/\.\.\/x leads out/],
    ['a hook that leads out', { [vm]: manifest({ hooks: { validate: { run: ['./a/../../x'] } } }) }, /: hooks\.validate\.run: /],
    [
      'an unknown delete action',
      { [vm]: manifest({ hooks: { delete: ['toString'] } }) },
      /: hooks\.delete\.0: there is no action/,
    ],
    ['a schema of a wrong type', { [vm]: manifest({ schema: { type: 'number' } }) }, /: schema\.type: /],
    ['no schema', { [vm]: manifest({ schema: { type: 'object', properties: 7 } }) }, /: schema: /],
    [
      'a schema that refers out',
      { [vm]: manifest({ schema: { type: 'object', $ref: 'http://x/y' } }) },
      /: schema: it refers to/,
    ],
    ['a schema of an argument', action({ args: { a: { schema: { type: 'nothing' } } } }), /: actions\.start\.args\.a\.schema: /],
    ['a recurrence of 0', action({ recurring: 0 }), /: actions\.start\.recurring: /],
    ['not an object', { [vm]: '[]' }, /template\.json: /],
    ['not JSON', { [vm]: '{' }, /template\.json: it cannot be read: /],
    ['not UTF-8', { [vm]: '' }, /template\.json: it cannot be read: /],
    ['not YAML', { 'templates/vm/template.yaml': 'a: [' }, /template\.yaml: it cannot be read: /],
    [
      'YAML that grows',
      {
        'templates/vm/template.yaml': `a: &a [x, x]\n${'bcdefghijk'
          .split('')
          .map((name, n) => `${name}: &${name} [${`*${'abcdefghijk'[n]}, `.repeat(9)}]`)
          .join('\n')}\n`,
      },
      /template\.yaml: it cannot be read: /,
    ],
    [
      'two manifests',
      { [vm]: manifest(), 'templates/vm/template.yml': '' },
      /^templates\/vm: template\.json and template\.yml: /,
    ],
    ['a folder of a wrong name', { 'templates/a-b/template.json': manifest() }, /^templates\/a-b\/template\.json: name: "a-b"/],
    ['a hidden folder', { 'templates/.x/template.json': manifest() }, /: name: ""/],
    ['the same uid twice', { [vm]: manifest(), 'templates/vm.old/template.json': manifest() }, /^templates\/vm\.old: version: /],
    ['too large a file', { [vm]: manifest({ description: 'x'.repeat(70_000) }) }, /: it has more than 65536 bytes$/],
  ])('%s', async (_name, files, message) => {
    await expect(readTemplates(checkout(files))).rejects.toMatchObject({
      ...{ type: 'manifest-invalid', retryable: false, message: expect.stringMatching(message) },
    })
  })
})

describe('in a thread', () => {
  const { signal } = new AbortController()

  test('manifests are read, and refused in the same words', async () => {
    expect((await readManifests(checkout({ [vm]: manifest() }), { signal, clock })).templates[0]).toMatchObject({
      ...{ name: 'vm', directory: 'templates/vm', manifest: { version: '1.0.0' } },
    })
    await expect(readManifests(checkout({ [vm]: '{"version": "1"}' }), { signal, clock })).rejects.toMatchObject({
      ...{
        type: 'manifest-invalid',
        retryable: false,
        message: expect.stringMatching(/^templates\/vm\/template\.json: version: /),
      },
    })
  })

  test('manifests that take too long are given up', () =>
    expect(readManifests(checkout({ [vm]: manifest() }), { signal, clock, timeoutMs: 1 })).rejects.toMatchObject({
      ...{ type: 'manifest-invalid', message: 'the manifests cannot be read: they take more than 0.001 s' },
    }))

  test('reading ends with its signal', async () => {
    const ending = new AbortController()
    const reading = readManifests(checkout({ [vm]: manifest() }), { signal: ending.signal, clock })
    ending.abort(new Error('cancelled'))
    await expect(reading).rejects.toThrow('cancelled')
  })
})
