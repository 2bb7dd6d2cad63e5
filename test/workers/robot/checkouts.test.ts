import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { parseGitUrl } from '../../../src/commands/robot/git-url.ts'
import { defaultRobotSettings, type RobotFaceSettings } from '../../../src/commands/robot/settings.ts'
import type { TemplateRepository } from '../../../src/commands/robot/template.ts'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { robotTemplates } from '../../../src/projections/robot/templates.ts'
import { createProcesses } from '../../../src/workers/processes/system-processes.ts'
import { type CheckoutContext, createCheckouts } from '../../../src/workers/robot/checkouts.ts'
import { append, openLog, openViews, requested, succeeded } from '../../projections/harness.ts'
import { temporaryDirectory } from '../../stores/temporary.ts'
import { type GitServer, startGitServer, type TestRepository, template } from './git-server.ts'

let server: GitServer
let n = 0
beforeAll(async () => {
  server = await startGitServer()
})
beforeEach(() => {
  server.before = () => undefined
  server.requests.length = 0
})
afterAll(() => server.stop())

const context: CheckoutContext = {
  signal: new AbortController().signal,
  open: async () => {
    throw new Error('nothing is sealed')
  },
}

const repositoryOf = ({ url }: Pick<TestRepository, 'url'>): TemplateRepository => {
  const { key, remote, host, account, repository } = parseGitUrl(url) ?? expect.unreachable()
  return { key, remote, host, account, repository, userInfo: null }
}

const open = async (settings: Partial<RobotFaceSettings> = {}, programs: { readonly PATH?: string } = {}) => {
  const directory = temporaryDirectory()
  const processes = createProcesses({
    directory: join(directory, 'programs'),
    clock,
    logger: pino({ level: 'silent' }),
    environment: { PATH: process.env.PATH ?? '', ...programs },
  })
  onTestFinished(() => processes.stop())
  const log = await openLog()
  const projections = await openViews(log, [robotTemplates])
  const robot = join(directory, 'robot')
  const checkouts = createCheckouts({ settings: { ...defaultRobotSettings(robot), ...settings }, projections, processes, clock })
  return {
    directory: robot,
    checkouts,
    refresh: (repository: Pick<TestRepository, 'url'>, revision: string | null = null, more: Partial<CheckoutContext> = {}) =>
      checkouts.refresh(repositoryOf(repository), revision, { ...context, ...more }),
    /** Loads one template, as the outcome of a clone does. */
    load: async (repository: TestRepository, templateUid: string, commit: string, directoryOf: string): Promise<void> => {
      const id = `00000000-0000-7000-8000-${String(++n).padStart(12, '0')}`
      const templates = [{ uid: templateUid, directory: directoryOf, manifest: { version: '0.0.1', actions: {}, hooks: {} } }]
      const outcome = { repository: repositoryOf(repository), revision: 'master', commit, templates, upgrades: [] }
      const position = await append(log, id, requested({ kind: 'robot.clone' }), succeeded(1, outcome as never))
      await projections.reached(position, { timeoutMs: 20_000 })
    },
  }
}

const files = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !statSync(join(folder, path)).isDirectory())
    .toSorted()

describe('what is cloned', () => {
  test('is checked out by commit, without a way to write its files', async () => {
    const repository = server.repository('plain')
    const commit = repository.commit(template('vm', {}, { 'actions/start': '#!/bin/sh\necho {}\n', 'data.txt': 'text' }))
    const { directory, refresh } = await open()
    const found = await refresh(repository)
    expect(found).toMatchObject({ revision: 'master', commit })
    expect(files(found.directory)).toEqual(['templates/vm/actions/start', 'templates/vm/data.txt', 'templates/vm/template.json'])
    expect(statSync(join(found.directory, 'templates/vm/actions/start')).mode & 0o777).toBe(0o555)
    expect(statSync(join(found.directory, 'templates/vm/data.txt')).mode & 0o777).toBe(0o444)
    expect(readdirSync(join(directory, 'clones'))).toHaveLength(1)
    expect(readdirSync(join(directory, 'checkouts', readdirSync(join(directory, 'clones'))[0] ?? ''))).toEqual([commit])
  })

  test('follows the remote: new and forced branches, removed ones, tags, commits', async () => {
    const repository = server.repository('moving')
    const first = repository.commit({ a: '1' }, { tag: 'one' })
    const { refresh } = await open()
    await refresh(repository)
    const second = repository.commit({ a: '2' })
    repository.commit({ b: '1' }, { branch: 'other' })
    expect((await refresh(repository, 'master')).commit).toBe(second)
    expect((await refresh(repository, 'one')).commit).toBe(first)
    expect((await refresh(repository, first)).commit).toBe(first)
    expect((await refresh(repository, first.slice(0, 8))).commit).toBe(first)
    repository.git('checkout', '--quiet', 'master')
    repository.git('branch', '-D', 'other')
    repository.git('reset', '--quiet', '--hard', first)
    expect((await refresh(repository)).commit).toBe(first)
    await expect(refresh(repository, 'other')).rejects.toMatchObject({ type: 'git-failed', details: { stackTrace: '' } })
  })

  test('is not fetched from the submodules that it names, and its hooks and filters do not run', async () => {
    const repository = server.repository('hostile')
    repository.commit({
      '.gitmodules': '[submodule "out"]\n\tpath = out\n\turl = ext::sh -c "touch /tmp/owned"\n',
      '.gitattributes': '* filter=run\n',
      'hooks/post-checkout': '#!/bin/sh\ntouch owned\n',
      'templates/.keep': '',
    })
    repository.git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},out`)
    repository.git('commit', '--quiet', '--message', 'A submodule')
    const { directory, refresh } = await open()
    const found = await refresh(repository)
    expect(files(found.directory)).toEqual(['.gitattributes', '.gitmodules', 'hooks/post-checkout', 'templates/.keep'])
    expect(readdirSync(join(found.directory, 'out'))).toEqual([])
    const clone = join(directory, 'clones', readdirSync(join(directory, 'clones'))[0] ?? '')
    expect(existsSync(join(clone, 'hooks'))).toBe(false)
    expect(existsSync('/tmp/owned')).toBe(false)
  })

  test('may have links to its own files', async () => {
    const repository = server.repository('links')
    repository.commit({ 'templates/vm/lib': { link: '../../shared' }, 'shared/code': 'x', latest: { link: 'shared/code' } })
    const { refresh } = await open()
    const { directory } = await refresh(repository)
    expect(readFileSync(join(directory, 'templates/vm/lib/code'), 'utf8')).toBe('x')
  })
})

describe('is refused, and leaves nothing', () => {
  test.each<[string, Parameters<TestRepository['commit']>[0], Partial<RobotFaceSettings>, string]>([
    ['a link to a file outside', { 'templates/vm/passwd': { link: '/etc/passwd' } }, {}, 'templates/vm/passwd'],
    ['a link that climbs out', { 'a/b': { link: '../../../x' } }, {}, 'a/b'],
    ['links that climb out together', { 'p/q/l': { link: '../../r' }, 'r/file': '', 'p/q/m': { link: 'l/../..' } }, {}, 'p/q/m'],
    ['a file over the limit', { big: 'x'.repeat(2_000) }, { maxFileBytes: 1_999 }, 'big has 2000 bytes'],
    ['files over the limit', { a: 'x'.repeat(600), b: 'y'.repeat(600) }, { maxCheckoutBytes: 1_000 }, '1000 bytes'],
    ['too many files', { a: '', b: '', c: '' }, { maxCheckoutFiles: 2 }, '2 files'],
    ['a clone over the limit', { a: 'x' }, { maxCloneBytes: 100 }, '100 bytes'],
  ])('%s', async (name, content, settings, words) => {
    const repository = server.repository(name.replaceAll(' ', '-'))
    repository.commit(content)
    const { directory, refresh } = await open(settings)
    const refused = await refresh(repository).catch((error: unknown) => error)
    expect(refused).toMatchObject({ type: 'repository-refused', retryable: false, message: expect.stringContaining(words) })
    const left = existsSync(join(directory, 'checkouts')) ? readdirSync(join(directory, 'checkouts'), { recursive: true }) : []
    expect(left.filter((path) => String(path).includes('/'))).toEqual([])
  })

  test('an address that gives machines of a cloud their credentials', async () => {
    const { refresh } = await open()
    await expect(refresh({ url: 'http://169.254.169.254/latest/meta-data' })).rejects.toMatchObject({
      type: 'repository-refused',
    })
  })

  test('a private address, where the operator forbids them', async () => {
    const repository = server.repository('nearby')
    repository.commit({ a: '' })
    const { refresh } = await open({ allowPrivate: false })
    const named = { url: repository.url.replace('127.0.0.1', 'localhost') }
    for (const one of [repository, named])
      await expect(refresh(one)).rejects.toMatchObject({
        type: 'repository-refused',
        message: expect.stringContaining(one.url.slice(0, -4)),
      })
    expect(server.requests).toEqual([])
  })
})

test('a clone ends with its signal, and a half clone is removed', async () => {
  const repository = server.repository('slow')
  repository.commit({ a: '' })
  const { directory, refresh } = await open()
  const came = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  server.before = () => {
    came.resolve()
    return release.promise
  }
  const ending = new AbortController()
  const refreshed = refresh(repository, null, { signal: ending.signal }).catch((error: unknown) => error)
  await came.promise
  ending.abort(new Error('cancelled'))
  expect(await refreshed).toMatchObject({ message: 'cancelled' })
  expect(readdirSync(join(directory, 'clones'))).toEqual([])
  release.resolve()
})

test('a clone that takes too long fails', async () => {
  const repository = server.repository('stuck')
  repository.commit({ a: '' })
  const { refresh } = await open({ gitTimeoutMs: 1_000 })
  const release = Promise.withResolvers<void>()
  server.before = () => release.promise
  await expect(refresh(repository)).rejects.toMatchObject({ type: 'git-failed', message: expect.stringContaining('1 s') })
  release.resolve()
})

test('an ssh address goes to the command of the operator, else to an ssh that asks nobody', async () => {
  const repository = server.repository('shell')
  const commit = repository.commit(template('vm', {}))
  const folder = temporaryDirectory()
  const bare = join(server.directory, 'bare', 'acme', 'shell.git')
  const ssh = join(folder, 'ssh')
  // Stands for a machine: it does what it is told to, but with the bare repository of the test.
  writeFileSync(ssh, `#!/bin/sh\nprintf '%s\\n' "$@" > ${folder}/words\n[ "$1" = -G ] || exec git-upload-pack ${bare}\n`, {
    mode: 0o755,
  })
  const { refresh } = await open({ sshCommand: ssh, sshAgent: { SSH_AUTH_SOCK: '/agent' } })
  expect((await refresh({ url: 'ssh://git@git.example.org:2222/acme/shell.git' })).commit).toBe(commit)
  expect(readFileSync(join(folder, 'words'), 'utf8')).toContain(
    `-p\n2222\ngit@git.example.org\ngit-upload-pack '/acme/shell.git'\n`,
  )

  const usual = await open({}, { PATH: `${folder}:${process.env.PATH}` })
  await usual.refresh({ url: 'git@git.example.org:acme/shell' })
  const words = readFileSync(join(folder, 'words'), 'utf8').split('\n')
  expect(words).toEqual(expect.arrayContaining(['-oBatchMode=yes', 'git@git.example.org', "git-upload-pack 'acme/shell'"]))
})

test('without git says so', async () => {
  const { refresh } = await open({}, { PATH: '/nowhere' })
  await expect(refresh({ url: 'http://127.0.0.1/acme/none' })).rejects.toMatchObject({
    type: 'git-missing',
    message: 'git is not installed',
  })
})

describe('the checkout of a bound template', () => {
  test('is made again of the clone, and the clone of the remote', async () => {
    const repository = server.repository('bound')
    const commit = repository.commit(template('vm', {}))
    const { directory, checkouts, refresh, load } = await open()
    await refresh(repository)
    const uid = '127.0.0.1/acme/bound/vm/0.0.1'
    await load(repository, uid, commit, 'templates/vm')
    const bound = { templateUid: uid, commit }
    const first = await checkouts.checkout(bound, context)
    expect(first.directory.endsWith(`${commit}/templates/vm`)).toBe(true)
    expect(first.template).toMatchObject({ templateUid: uid, name: 'vm', manifest: { version: '0.0.1' } })

    const asked = server.requests.length
    rmSync(join(directory, 'checkouts'), { recursive: true })
    await Promise.all(Array.from({ length: 4 }, () => checkouts.checkout(bound, context)))
    expect(existsSync(join(first.directory, 'template.json'))).toBe(true)
    expect(server.requests.length).toBe(asked)

    rmSync(directory, { recursive: true })
    await checkouts.checkout(bound, context)
    expect(existsSync(join(first.directory, 'template.json'))).toBe(true)
    expect(server.requests.length).toBeGreaterThan(asked)
  })

  test('fails where nobody has the commit any more, or nobody ever had', async () => {
    const repository = server.repository('gone')
    repository.commit(template('vm', {}))
    const { checkouts, load } = await open()
    const uid = '127.0.0.1/acme/gone/vm/0.0.1'
    const commit = '1'.repeat(40)
    await expect(checkouts.checkout({ templateUid: uid, commit }, context)).rejects.toMatchObject({ type: 'template-unknown' })
    await load(repository, uid, commit, 'templates/vm')
    await expect(checkouts.checkout({ templateUid: uid, commit }, context)).rejects.toMatchObject({ type: 'template-gone' })
  })

  test('leaves alone what another process may be writing, and removes what a killed one left', async () => {
    const repository = server.repository('leftovers')
    repository.commit(template('vm', {}))
    const { directory, refresh } = await open()
    await refresh(repository)
    const clones = join(directory, 'clones')
    const [name = ''] = readdirSync(clones)
    rmSync(join(clones, name), { recursive: true })
    mkdirSync(join(clones, `${name}.young`))
    writeFileSync(join(clones, `${name}.old`), '')
    utimesSync(join(clones, `${name}.old`), 0, 0)
    await refresh(repository)
    expect(readdirSync(clones).toSorted()).toEqual([name, `${name}.young`])
  })
})
