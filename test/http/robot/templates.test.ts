import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { type GitServer, startGitServer, template } from '../../workers/robot/git-server.ts'
import { startApp, type TestApp } from '../app.ts'
import { sayTo } from '../raw.ts'

let git: GitServer
let app: TestApp
beforeAll(async () => {
  git = await startGitServer()
  app = await startApp()
})
afterAll(async () => {
  await app.stop()
  await git.stop()
})

const uid = (repository: string, name: string, version = '0.0.1'): string => `127.0.0.1/acme/${repository}/${name}/${version}`
const shown = (repository: string, name: string, version = '0.0.1') => ({
  ...{ uid: uid(repository, name, version), host: '127.0.0.1', account: 'acme', repository, name, version },
})
const post = (body: unknown, headers = {}) => app.ask('POST /templates', { body, headers })
const put = (body: unknown) => app.ask('PUT /templates', { body })

describe('POST /templates', () => {
  test('answers 201 with the templates of the repository, and GET lists them', async () => {
    const repository = git.repository('first')
    repository.commit({ ...template('vm', {}), ...template('node', { version: '1.2.3' }), 'templates/README': 'no template' })
    const answer = await post({ url: repository.url, version: '0.0.1' })
    expect(answer).toMatchObject({ status: 201, json: [shown('first', 'node', '1.2.3'), shown('first', 'vm')] })
    expect(answer.headers.get('content-type')).toBe('application/json')
    const list = await app.ask('GET /templates')
    expect(list.status).toBe(200)
    expect(list.json).toEqual(expect.arrayContaining(answer.json))
    expect(await post({ url: repository.url })).toMatchObject({ status: 201, json: answer.json })
  })

  test('reads the body whatever type it is declared to be', async () => {
    const repository = git.repository('untyped')
    repository.commit(template('vm', {}))
    const raw = JSON.stringify({ url: repository.url, branch: null })
    expect((await app.ask('POST /templates', { raw, headers: { 'Content-Type': 'text/plain' } })).status).toBe(201)
  })

  test('another branch adds its versions; a fragment names the branch; a named branch wins', async () => {
    const repository = git.repository('branches')
    repository.commit(template('vm', { version: '0.0.9' }))
    repository.commit(template('vm', { version: '0.0.10' }), { branch: 'next', tag: 'v10' })
    expect((await post({ url: repository.url })).json).toEqual([shown('branches', 'vm', '0.0.9')])
    expect((await post({ url: `${repository.url}#next` })).json).toEqual([shown('branches', 'vm', '0.0.10')])
    expect((await post({ url: `${repository.url}#next`, branch: 'master' })).json).toEqual([shown('branches', 'vm', '0.0.9')])
    expect((await post({ url: repository.url, branch: 'v10' })).json).toEqual([shown('branches', 'vm', '0.0.10')])
    const of = (await app.ask('GET /templates')).json.filter((one: { repository: string }) => one.repository === 'branches')
    expect(of).toEqual([shown('branches', 'vm', '0.0.9'), shown('branches', 'vm', '0.0.10')])
  })

  test('without a branch and without a master takes what HEAD names', async () => {
    const repository = git.repository('trunk', { branch: 'trunk' })
    repository.commit(template('vm', {}))
    expect((await post({ url: repository.url })).json).toEqual([shown('trunk', 'vm')])
    expect(await post({ url: repository.url, branch: 'master' })).toMatchObject({
      status: 500,
      json: { code: 500, stack_trace: '' },
    })
  })

  test('an empty folder of templates answers 201 with none', async () => {
    const repository = git.repository('empty')
    repository.commit({ 'templates/.keep': '' })
    expect(await post({ url: repository.url })).toMatchObject({ status: 201, json: [] })
  })

  test('a repository that is not there answers 500 with what git said', async () => {
    const url = `http://127.0.0.1:${git.port}/acme/missing`
    const answer = await post({ url })
    expect(answer).toMatchObject({ status: 500, json: { code: 500 } })
    expect(answer.json.message).toContain(url)
    expect(answer.json.stack_trace).toContain('not found')
  })

  test('masks the user info of a url everywhere', async () => {
    const repository = git.repository('private')
    repository.commit(template('vm', {}))
    git.login = 'ann:s3cret/word'
    const url = repository.url.replace('://', '://ann:s3cret%2Fword@')
    const wrong = await post({ url: url.replace('s3cret', 'other') })
    expect(wrong).toMatchObject({ status: 500, json: { code: 500 } })
    expect(wrong.text).not.toContain('other')
    const answer = await post({ url })
    git.login = undefined
    expect(answer).toMatchObject({ status: 201, json: [shown('private', 'vm')] })
    const operation = await app.ask(`GET /v1/operations/${answer.headers.get('operation-id')}`)
    const events = await app.ask(`GET /v1/streams/operation-${answer.headers.get('operation-id')}`)
    for (const { text } of [answer, operation, events]) expect(text).not.toContain('s3cret')
    expect((await app.ask('GET /v1/secrets')).json.items).toEqual(
      expect.arrayContaining([expect.objectContaining({ subject: `operation-${answer.headers.get('operation-id')}` })]),
    )
  })

  test.each([
    [{}],
    [{ url: 7 }],
    [{ url: 'file:///etc' }],
    [{ url: '/etc' }],
    [{ url: 'ext::sh -c id' }],
    [{ url: 'https://host/one' }],
    [{ url: 'https://host/a/b/c' }],
    [{ url: '--upload-pack=id' }],
    [{ url: 'https://host/a/b', branch: 7 }],
    [{ url: 'https://host/a/b', branch: '--output=x' }],
    [[]],
  ])('refuses %j', async (body) => {
    expect(await post(body)).toMatchObject({ status: 400, json: { code: 400, message: 'bad request body' } })
    expect(await put(body)).toMatchObject({
      status: 400,
      json: { code: 400, message: 'bad request body', errors: 'bad request body' },
    })
  })

  test.each(['', '{', 'null', '"text"'])('refuses the body %j', async (raw) =>
    expect(await app.ask('POST /templates', { raw })).toMatchObject({
      status: 400,
      json: { code: 400, message: 'bad request body' },
    }),
  )

  test('a repository without a folder of templates answers 400', async () => {
    const repository = git.repository('bare-bones')
    repository.commit({ 'README.md': 'nothing here' })
    expect(await post({ url: repository.url })).toMatchObject({ status: 400, json: { code: 400 } })
  })

  test('an invalid manifest answers 400 with file, key and reason, and loads nothing', async () => {
    const repository = git.repository('invalid')
    repository.commit({ ...template('good', {}), ...template('vm', { actions: { start: { retry: { tries: 0 } } } }) })
    const answer = await post({ url: repository.url })
    expect(answer).toMatchObject({ status: 400, json: { code: 400 } })
    expect(answer.json.message).toContain('templates/vm/template.json: actions.start.retry.tries: ')
    expect((await app.ask('GET /templates')).text).not.toContain('acme/invalid')
  })

  test('repeats its answer under the same Idempotency-Key', async () => {
    const repository = git.repository('keyed')
    repository.commit(template('vm', {}))
    const headers = { 'Idempotency-Key': 'clone-keyed' }
    const first = await post({ url: repository.url }, headers)
    repository.commit(template('vm', { version: '0.0.2' }))
    expect(await post({ url: repository.url }, headers)).toMatchObject({ status: 201, json: first.json })
  })
})

test('a clone that takes longer than 120 s goes on, and 503 names it', async () => {
  const repository = git.repository('slow')
  repository.commit(template('vm', {}))
  const waitMs = 120_000
  const clock: Clock = { ...systemClock, after: (ms, fire) => systemClock.after(ms === waitMs ? 100 : ms, fire) }
  const other = await startApp({}, { clock })
  const held = Promise.withResolvers<void>()
  git.before = () => held.promise
  const answer = await other.ask('POST /templates', { body: { url: repository.url } })
  expect(answer).toMatchObject({ status: 503, json: { code: 503 } })
  const id = answer.headers.get('operation-id') ?? ''
  expect(answer.json.message).toContain(id)
  expect(answer.headers.get('retry-after')).toBe('5')
  held.resolve()
  git.before = () => undefined
  expect((await other.ask(`GET /v1/operations/${id}?wait=60`)).json.state).toBe('succeeded')
  await other.stop()
})

test('a clone that is cancelled answers 500, and a repository can wait for another', async () => {
  const repository = git.repository('cancelled')
  repository.commit(template('vm', {}))
  const came = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  git.before = ({ url }) => {
    if (url?.includes('cancelled') !== true) return
    came.resolve()
    return held.promise
  }
  const first = post({ url: repository.url })
  await came.promise
  const second = post({ url: repository.url })
  const list = await app.ask('GET /v1/operations?kind=robot.clone&state=running')
  await app.ask(`POST /v1/operations/${list.json.items[0].id}/cancel`)
  expect(await first).toMatchObject({ status: 500, json: { code: 500, stack_trace: '' } })
  held.resolve()
  git.before = () => undefined
  expect((await second).status).toBe(201)
})

test('without git on the server', async () => {
  const other = await startApp({ PATH: '/nowhere' })
  expect(await other.ask('POST /templates', { body: { url: 'http://127.0.0.1/acme/none' } })).toMatchObject({
    ...{ status: 500, json: { code: 500, message: 'git is not installed' } },
  })
  await other.stop()
})

describe('PUT /templates', () => {
  test('needs a repository that was cloned', async () => {
    const url = `http://127.0.0.1:${git.port}/acme/never`
    const answer = await put({ url })
    expect(answer).toMatchObject({ status: 404, json: { code: 404 } })
    expect(answer.json.message).toContain(url)
  })

  test('loads a revision of a known repository', async () => {
    const repository = git.repository('moving')
    repository.commit(template('vm', {}))
    await post({ url: repository.url })
    const commit = repository.commit(template('vm', { version: '0.0.2' }))
    repository.commit(template('vm', { version: '0.0.3' }))
    const answer = await put({ url: repository.url, branch: commit })
    expect(answer).toMatchObject({ status: 204, text: '' })
    const of = (await app.ask('GET /templates')).json.filter((one: { repository: string }) => one.repository === 'moving')
    expect(of).toEqual([shown('moving', 'vm'), shown('moving', 'vm', '0.0.2')])
    expect(await put({ url: repository.url, branch: 'none' })).toMatchObject({
      status: 500,
      json: { code: 500, stack_trace: '' },
    })
  })
})

describe('every path of the face', () => {
  test.each(['/templates/', '/templates/x', '/blueprints/x', '/robot', '/zrobot/0.9', '/zrobot/0.9/elsewhere'])(
    'GET %s is 404 in its words',
    async (path) => {
      const answer = await app.ask(`GET ${path}`)
      expect(answer).toMatchObject({ status: 404, json: { code: 404, message: `GET ${path} not found` } })
      expect(answer.headers.get('content-type')).toBe('application/json')
    },
  )

  test.each(['DELETE', 'OPTIONS', 'PATCH'])('%s is 405 with Allow', async (method) => {
    const answer = await app.ask(`${method} /templates`)
    expect(answer).toMatchObject({ status: 405, json: { code: 405 } })
    expect(answer.headers.get('allow')).toBe('GET, HEAD, POST, PUT')
  })

  test('the refusals of the server are in its words', async () => {
    const large = await app.ask('POST /templates', { raw: `{"url": "${'x'.repeat(1_048_576)}"}` })
    expect(large).toMatchObject({ status: 413, json: { code: 413 } })
    const text = await sayTo(app.url, 'GET /templates HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n')
    expect(text).toMatch(/^HTTP\/1\.1 421 .*\{"code":421,"message":"/s)
  })

  test('HEAD answers as GET without a body', async () => {
    const answer = await app.ask('HEAD /templates')
    expect(answer).toMatchObject({ status: 200, text: '' })
  })

  test('GET has a past', async () => {
    const before = (await app.ask('GET /templates')).headers.get('event-position') ?? ''
    const repository = git.repository('later')
    repository.commit(template('vm', {}))
    await post({ url: repository.url })
    const past = await app.ask('GET /templates', { headers: { 'As-Of': before } })
    expect(past.status).toBe(200)
    expect(past.text).not.toContain('acme/later')
    expect((await app.ask('GET /templates')).text).toContain('acme/later')
  })
})
