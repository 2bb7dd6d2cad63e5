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

/** Rows 1 to 20 of the contract, and a path that is none. */
const lines = [
  'POST /blueprints',
  ...['GET /templates', 'POST /templates', 'PUT /templates'],
  ...['GET /services', 'POST /services', 'GET /services/1', 'PUT /services/1', 'DELETE /services/1'],
  ...['GET /services/1/actions', 'GET /services/1/task_list', 'POST /services/1/task_list'],
  ...['GET /services/1/task_list/1', 'DELETE /services/1/task_list/1', 'GET /services/1/logs'],
  ...['GET /robot/info', 'GET /robot/metrics'],
  ...['GET /robot/webhooks', 'POST /robot/webhooks', 'DELETE /robot/webhooks/1', 'GET /robot/nowhere'],
]

test.each(lines)('%s without a token is 401', async (line) => {
  const answer = await app.ask(line)
  expect(answer).toMatchObject({ status: 401, text: '{"code":401,"message":"Unauthorized Access"}' })
  expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="Authentication Required"')
  expect(answer.headers.get('content-type')).toBe('application/json')
})

test('a token or the same credentials as Basic let in, a scope that is missing does not', async () => {
  expect((await app.ask('GET /templates', as(reader))).status).toBe(200)
  const basic = Buffer.from(`reader:${reader}`).toString('base64')
  expect((await app.ask('GET /templates', { headers: { Authorization: `Basic ${basic}` } })).status).toBe(200)
  expect(await app.ask('POST /templates', as(reader))).toMatchObject({ status: 403, json: { code: 403 } })
})

test.each(lines.filter((line) => !line.startsWith('GET')))('%s needs the scope robot:write', async (line) => {
  expect(await app.ask(line, as(reader))).toMatchObject({ status: 403, json: { code: 403 } })
})

test('HEAD / is 200 for anybody', async () => {
  expect(await app.ask('HEAD /')).toMatchObject({ status: 200, text: '' })
  expect((await app.ask('GET /')).status).toBe(401)
})
