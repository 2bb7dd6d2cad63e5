import { describe, expect, test } from 'vitest'
import { parseTemplateReference } from '../../../src/commands/robot/template-uid.ts'
import type { JsonObject } from '../../../src/lib/json.ts'
import { robotTemplates, templateQueries } from '../../../src/projections/robot/templates.ts'
import { append, event, openLog, openViews, requested, succeeded } from '../harness.ts'

const load = (repository: string, commit: string, versions: Readonly<Record<string, string>>, port = ''): JsonObject => ({
  repository: {
    key: `https://host${port}/acme/${repository}`,
    remote: `https://host${port}/acme/${repository}.git`,
    userInfo: null,
    ...{ host: 'host', account: 'acme', repository },
  },
  revision: 'master',
  commit,
  templates: Object.entries(versions).map(([name, version]) => ({
    uid: `host/acme/${repository}/${name}/${version}`,
    directory: `templates/${name}`,
    manifest: { version, description: commit, actions: {}, hooks: {} },
  })),
  upgrades: [],
})

const loaded = async (...outcomes: readonly JsonObject[]) => {
  const log = await openLog()
  let position = await append(log, 'other', requested(), succeeded(1, load('other', 'x', { none: '0.0.1' })))
  for (const [n, outcome] of outcomes.entries())
    position = await append(log, `clone-${n}`, requested({ kind: 'robot.clone' }), succeeded(1, outcome))
  const failed = event('OperationFailed', { attempt: 1, error: { type: 'git-failed', message: 'no', retryable: false } })
  position = await append(log, 'failed', requested({ kind: 'robot.clone' }), failed)
  const views = await openViews(log, [robotTemplates])
  await views.reached(position, { timeoutMs: 20_000 })
  const queries = templateQueries(views.views('robot-templates'))
  return {
    queries,
    resolve: (text: string) => {
      const found = queries.resolve(parseTemplateReference(text) ?? expect.unreachable())
      return found.fault ?? found.template.templateUid
    },
  }
}

describe('a reference', () => {
  test('without a version means the highest one, by SemVer and not by text', async () => {
    const { resolve } = await loaded(
      load('one', 'a', { vm: '0.0.9' }),
      load('one', 'b', { vm: '0.0.10' }),
      load('one', 'c', { vm: '0.0.10-rc.1' }),
    )
    expect(resolve('vm')).toBe('host/acme/one/vm/0.0.10')
    expect(resolve('host/acme/one/vm')).toBe('host/acme/one/vm/0.0.10')
    expect(resolve('host/acme/one/vm/0.0.9')).toBe('host/acme/one/vm/0.0.9')
    expect(resolve('vm/0.0.9')).toBe('host/acme/one/vm/0.0.9')
    expect(resolve('vm/0.0.8')).toBe('unknown')
    expect(resolve('host/acme/two/vm')).toBe('unknown')
    expect(resolve('constructor')).toBe('unknown')
  })

  test('that several repositories fit is ambiguous, unless the version tells', async () => {
    const { resolve } = await loaded(load('one', 'a', { vm: '1.0.0' }), load('two', 'b', { vm: '2.0.0' }))
    expect(resolve('vm')).toBe('ambiguous')
    expect(resolve('vm/2.0.0')).toBe('host/acme/two/vm/2.0.0')
    expect(resolve('host/acme/one/vm')).toBe('host/acme/one/vm/1.0.0')
  })
})

test('the same uid loaded again means the new commit, and what is bound to the old one stays', async () => {
  const { queries } = await loaded(
    load('one', 'old', { vm: '1.0.0', node: '1.0.0' }),
    load('one', 'new', { vm: '1.0.0' }, ':8443'),
  )
  const uid = 'host/acme/one/vm/1.0.0'
  expect(queries.byUid(uid)).toMatchObject({
    commit: 'new',
    repositoryKey: 'https://host:8443/acme/one',
    manifest: { description: 'new' },
  })
  expect(queries.bound(uid, 'old')).toMatchObject({
    commit: 'old',
    repositoryKey: 'https://host/acme/one',
    manifest: { description: 'old' },
  })
  expect(queries.bound(uid, 'none')).toBeUndefined()
  expect(queries.all().map((one) => one.uid)).toEqual([uid, 'host/acme/one/node/1.0.0'])
})

test('a repository is known as it was loaded last, under its key', async () => {
  const { queries } = await loaded(load('one', 'old', { vm: '1.0.0' }), load('one', 'new', { vm: '1.0.1' }))
  expect(queries.repository('https://host/acme/one')).toMatchObject({ commit: 'new', revision: 'master', repository: 'one' })
  expect(queries.repository('https://host/acme/other')).toBeUndefined()
})
