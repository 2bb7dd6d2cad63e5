import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type GitServer, startGitServer, type TestRepository, template } from '../../workers/robot/git-server.ts'
import { startApp, type TestApp } from '../app.ts'

let git: GitServer
beforeAll(async () => {
  git = await startGitServer()
})
afterAll(() => git.stop())

/** A server on a data directory that is there after it was stopped. */
const open = async (dataDir = mkdtempSync(join(tmpdir(), 'intendant-restart-'))): Promise<TestApp> => {
  const app = await startApp({}, { dataDir })
  onTestFinished(() => app.stop())
  return app
}
const again = async (app: TestApp): Promise<TestApp> => {
  await app.app.stop()
  return open(app.dataDir)
}
const load = (app: TestApp, { url }: TestRepository) => app.ask('POST /templates', { body: { url } })
const create = async (app: TestApp, of: string, name: string): Promise<string> =>
  (await app.ask('POST /services', { body: { template: of, name } })).json.guid
const begin = async (app: TestApp, guid: string, action_name: string): Promise<string> =>
  (await app.ask(`POST /services/${guid}/task_list`, { body: { action_name } })).json.guid
const ended = async (app: TestApp, id: string) => (await app.ask(`GET /v1/operations/${id}?wait=30`)).json
const validations = async (app: TestApp, guid: string) =>
  (await app.ask(`GET /v1/operations?kind=robot.validate&lane=robot:${guid}`)).json.items
const ok = { run: ['/bin/sh', '-c', 'true'] }

test('a start validates every service that has a hook for it, and holds those that it refuses', async () => {
  const repository = git.repository('validated')
  repository.commit({
    ...template('vm', {
      actions: { ok },
      hooks: { validate: { run: ['/bin/sh', '-c', 'test ! -e refuse || { echo no >&2; exit 1; }'] } },
    }),
    ...template('vm.next', {
      version: '0.0.2',
      actions: { ok },
    }),
    ...template('plain', { actions: { ok } }),
  })
  const first = await open()
  await load(first, repository)
  const vm = '127.0.0.1/acme/validated/vm/0.0.1'
  const refused = await create(first, vm, 'refused')
  const accepted = await create(first, vm, 'accepted')
  const plain = await create(first, 'plain', 'plain')
  writeFileSync(join(first.dataDir, 'robot', 'services', refused, 'refuse'), '')

  const app = await again(first)
  expect(await validations(app, plain)).toHaveLength(1)
  const [passed] = await validations(app, accepted)
  expect((await ended(app, passed.id)).state).toBe('succeeded')
  const [failing] = await validations(app, refused)
  await expect.poll(async () => (await app.ask(`GET /v1/operations/${failing.id}`)).json.state).toBe('retrying')
  const { json: held } = await app.ask(`GET /v1/operations/${failing.id}`)
  expect(held).toMatchObject({ error: { type: 'validate-refused', message: 'no' }, maxAttempts: Number.MAX_SAFE_INTEGER })
  const wait = Date.parse(held.waitingFor.until) - Date.parse(held.waitingFor.since)
  expect(wait).toBeGreaterThanOrEqual(9_000)
  expect(wait).toBeLessThanOrEqual(11_000)

  const task = await begin(app, refused, 'ok')
  expect((await app.ask(`GET /services/${refused}/task_list/${task}`)).json.state).toBe('new')
  // A restart neither forgets it nor asks for it twice.
  const last = await again(app)
  expect(await validations(last, refused)).toHaveLength(2)
  expect((await last.ask(`GET /services/${refused}/task_list/${task}`)).json.state).toBe('new')
  await last.ask(`PUT /services/${refused}`, { body: { template: '127.0.0.1/acme/validated/vm/0.0.2' } })
  expect((await ended(last, task)).state).toBe('succeeded')
})

test('files of templates that are gone are cloned again', async () => {
  const repository = git.repository('cloned-again')
  repository.commit(template('vm', { actions: { ok } }))
  const first = await open()
  await load(first, repository)
  const guid = await create(first, 'vm', 'web')
  await first.app.stop()
  for (const folder of ['clones', 'checkouts']) rmSync(join(first.dataDir, 'robot', folder), { recursive: true })
  const app = await open(first.dataDir)
  expect((await ended(app, await begin(app, guid, 'ok'))).state).toBe('succeeded')
  expect(existsSync(join(app.dataDir, 'robot', 'checkouts'))).toBe(true)
})

test('a service whose version is gone gets the newest loaded one that is not older, else it is held', async () => {
  const [moved, lost] = [git.repository('moved'), git.repository('lost')]
  for (const repository of [moved, lost]) repository.commit(template('vm', { actions: { ok } }))
  const first = await open()
  await load(first, moved)
  await load(first, lost)
  const upgraded = await create(first, '127.0.0.1/acme/moved/vm', 'upgraded')
  const held = await create(first, '127.0.0.1/acme/lost/vm', 'held')
  for (const { git: run } of [moved, lost]) {
    run('checkout', '--quiet', '--orphan', 'other')
    run('rm', '-r', '--quiet', '--force', '.')
  }
  moved.commit(template('vm', { version: '0.1.0', actions: { ok } }))
  lost.commit(template('vm', { version: '0.0.0', actions: { ok } }))
  for (const { git: run } of [moved, lost]) run('branch', '--force', 'master', 'other')
  await load(first, moved)
  await load(first, lost)
  await first.app.stop()
  for (const folder of ['clones', 'checkouts']) rmSync(join(first.dataDir, 'robot', folder), { recursive: true })

  const app = await open(first.dataDir)
  await expect.poll(async () => (await app.ask(`GET /services/${upgraded}`)).json.version, { timeout: 20_000 }).toBe('0.1.0')
  expect((await ended(app, await begin(app, upgraded, 'ok'))).state).toBe('succeeded')
  const [failing] = await validations(app, held)
  await expect
    .poll(async () => (await app.ask(`GET /v1/operations/${failing.id}`)).json.state, { timeout: 20_000 })
    .toBe('retrying')
  expect((await app.ask(`GET /v1/operations/${failing.id}`)).json.error.type).toBe('template-gone')
  const task = await begin(app, held, 'ok')
  expect((await app.ask(`GET /services/${held}/task_list/${task}`)).json.state).toBe('new')
})
