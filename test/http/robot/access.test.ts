import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp, type TestApp } from '../app.ts'

let app: TestApp
let reader: string
beforeAll(async () => {
  app = await startApp()
  const { credentials } = app.app.ports
  reader = (await credentials.add({ name: 'reader', scopes: ['robot:read'] })).token ?? expect.unreachable()
  await credentials.add({ name: 'writer', scopes: ['robot:write'] })
})
afterAll(() => app.stop())

const as = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } })

test.each(['GET /templates', 'POST /templates', 'PUT /templates', 'GET /robot/nowhere'])(
  '%s without a token is 401',
  async (line) => {
    const answer = await app.ask(line)
    expect(answer).toMatchObject({ status: 401, text: '{"code":401,"message":"Unauthorized Access"}' })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="Authentication Required"')
    expect(answer.headers.get('content-type')).toBe('application/json')
  },
)

test('a token or the same credentials as Basic let in, a scope that is missing does not', async () => {
  expect((await app.ask('GET /templates', as(reader))).status).toBe(200)
  const basic = Buffer.from(`reader:${reader}`).toString('base64')
  expect((await app.ask('GET /templates', { headers: { Authorization: `Basic ${basic}` } })).status).toBe(200)
  expect(await app.ask('POST /templates', as(reader))).toMatchObject({ status: 403, json: { code: 403 } })
})

test('HEAD / is 200 for anybody', async () => {
  expect(await app.ask('HEAD /')).toMatchObject({ status: 200, text: '' })
  expect((await app.ask('GET /')).status).toBe(401)
})
