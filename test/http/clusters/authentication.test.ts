import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { hashSync } from 'bcryptjs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openCredentials } from '../../../src/stores/credentials/credentials.ts'
import { type CertificateFiles, makeCertificate } from '../../engines/certificate.ts'
import { type Answer, startApp, type TestApp } from '../app.ts'
import { askTls, tlsAgent, tlsMaterial } from '../tls.ts'

const basic = (user: string, password: string, scheme = 'Basic') => ({
  Authorization: `${scheme} ${Buffer.from(`${user}:${password}`).toString('base64')}`,
})
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

const usersOf = (users: Readonly<Record<string, string>>): string =>
  JSON.stringify(Object.fromEntries(Object.entries(users).map(([name, password]) => [name, { hash: hashSync(password, 4) }])))

const expectForbidden = ({ status, text, headers }: Answer): void => {
  expect({ status, text, type: headers.get('content-type') }).toEqual({ status: 403, text: 'Forbidden', type: 'text/html' })
  expect(headers.get('www-authenticate')).toBeNull()
}

/** OpenShift, and Keystone for passwords and for tokens. */
const answerAboutCredentials = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const body = await text(request)
  if (request.url === '/users/~')
    return void response.writeHead(request.headers.authorization === 'Bearer good' ? 200 : 401).end('{}')
  if (request.url === '/hangs') return
  const { identity } = JSON.parse(body).auth
  const [method] = identity.methods
  const isRight =
    request.method === 'POST' &&
    (method === 'password'
      ? JSON.stringify(identity.password.user) ===
        JSON.stringify({ name: 'ann', password: 'of:keystone', domain: { name: 'Ops' } })
      : identity.token.id === 'good')
  response.writeHead(isRight ? 201 : 401, isRight ? { 'X-Subject-Token': 'made' } : {}).end('{}')
}

let directory: string
let remote: Server
let remoteUrl: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'intendant-clusters-auth-'))
  remote = createServer((request, response) => {
    answerAboutCredentials(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => remote.listen(0, '127.0.0.1', resolve))
  remoteUrl = `http://127.0.0.1:${(remote.address() as AddressInfo).port}`
})
afterAll(() => {
  remote.close()
  remote.closeAllConnections()
  rmSync(directory, { recursive: true, force: true })
})

test('without any credentials everyone on this machine may do everything', async () => {
  const app = await startApp()
  onTestFinished(() => app.stop())
  expect((await app.ask('GET /api/v0/clusters')).status).toBe(200)
  expect((await app.ask('PUT /api/v0/cluster/a')).status).toBe(201)
})

describe('with every authenticator and credentials of the server', () => {
  let app: TestApp
  let token: string
  let usersFile: string

  beforeAll(async () => {
    usersFile = join(directory, 'users.json')
    writeFileSync(usersFile, usersOf({ ann: 'right', bob: 'with:colon' }))
    const dataDir = mkdtempSync(join(tmpdir(), 'intendant-clusters-auth-data-'))
    const credentials = openCredentials(join(dataDir, 'credentials.json'))
    token = (await credentials.add({ name: 'reader', scopes: ['clusters:read'] })).token ?? ''
    await credentials.add({ name: 'writer', scopes: ['clusters:write'], password: 'of the server' })
    app = await startApp(
      {
        CLUSTERS_AUTH: 'httpbasicauth,openshiftbearertokenauth,keystonepassword,keystonetoken',
        CLUSTERS_USERS_FILE: usersFile,
        CLUSTERS_USERS: usersOf({ cid: 'in the setting' }),
        CLUSTERS_BEARER_URL: `${remoteUrl}/users/~`,
        CLUSTERS_KEYSTONE_URL: `${remoteUrl}/v3/auth/tokens`,
        CLUSTERS_KEYSTONE_DOMAIN: 'Ops',
        CLUSTERS_SELF_AUTHS: '/api/v0/networks,/api/v0/host',
      },
      { dataDir },
    )
  })
  afterAll(() => app.stop())

  const asks = (line: string, headers: Readonly<Record<string, string>> = {}) => app.ask(line, { headers })

  test.each([
    ['a user of the file', basic('ann', 'right')],
    ['the scheme in any case', basic('ann', 'right', 'bAsIc')],
    ['a password with a colon', basic('bob', 'with:colon')],
    ['a user of the setting', basic('cid', 'in the setting')],
    ['a bearer token', bearer('good')],
    ['a user of Keystone', basic('ann', 'of:keystone')],
    ['a token of Keystone', { 'X-Auth-Token': 'good' }],
    ['a password of the server', basic('writer', 'of the server')],
  ])('%s may read and write', async (_name, headers) => {
    expect((await asks('GET /api/v0/clusters', headers)).status).toBe(200)
    expect((await asks('PUT /api/v0/cluster/a', headers)).status).toBe(201)
  })

  test.each([
    ['nothing', {}],
    ['a wrong password', basic('ann', 'wrong')],
    ["another user's password", basic('bob', 'right')],
    ['an unknown user', basic('eve', 'right')],
    ['a name of every object', basic('constructor', 'right')],
    ['a wrong bearer token', bearer('bad')],
    ['no base64', { Authorization: 'Basic !!!' }],
    ['no scheme', { Authorization: 'good' }],
    ['another scheme', { Authorization: 'Digest good' }],
    ['a wrong token of Keystone', { 'X-Auth-Token': 'bad' }],
  ])('%s is 403, before routes and bodies are looked at', async (_name, headers) => {
    for (const line of ['GET /api/v0/clusters', 'GET /api/v0/nowhere', 'GET /api/v0/cluster/no', 'DELETE /api/v0/cluster/no'])
      expectForbidden(await asks(line, headers))
    expectForbidden(await app.ask('PUT /api/v0/cluster/a', { raw: 'no JSON', headers }))
  })

  test('a credential of the server needs the scope', async () => {
    expect((await asks('GET /api/v0/clusters', bearer(token))).status).toBe(200)
    expectForbidden(await asks('PUT /api/v0/cluster/a', bearer(token)))
  })

  test('paths of self-auths are open, exactly these', async () => {
    expect((await asks('GET /api/v0/networks')).status).toBe(200)
    expect((await asks('GET /api/v0/networks?a=b')).status).toBe(200)
    expectForbidden(await asks('GET /api/v0/networks/'))
    expectForbidden(await asks('GET /api/v0/host/10.0.0.1'))
  })

  test('what authenticates here opens no other face', async () => {
    expect((await asks('GET /v1/operations', basic('ann', 'right'))).status).toBe(401)
    expect((await asks('GET /v1/operations', bearer('good'))).status).toBe(401)
  })

  test('events name who did it, by which authenticator', async () => {
    const made = await asks('PUT /api/v0/cluster/audited', basic('ann', 'right'))
    expect(made.status).toBe(201)
    const { log } = app.app.ports
    const events = await Array.fromAsync(log.readStream('cluster-audited'))
    expect(events[0]?.metadata.actor).toMatchObject({ principal: 'httpbasicauth:ann', face: 'clusters' })
  })

  test('changed users are taken up, and faulty ones leave the last good ones', async () => {
    writeFileSync(usersFile, usersOf({ dora: 'new' }))
    await expect
      .poll(async () => (await asks('GET /api/v0/clusters', basic('dora', 'new'))).status, { timeout: 20_000 })
      .toBe(200)
    expectForbidden(await asks('GET /api/v0/clusters', basic('ann', 'right')))
    writeFileSync(usersFile, '{"dora": {"hash": "none"}}')
    const checks = async () => (await asks('GET /readyz', bearer(token))).json.checks['clusters-users']
    await expect.poll(checks, { timeout: 20_000 }).toContain('"dora" has no bcrypt hash')
    expect((await asks('GET /api/v0/clusters', basic('dora', 'new'))).status).toBe(200)
  })
})

test('where the server has no credentials of its own, the authenticators are all that counts', async () => {
  const app = await startApp({ CLUSTERS_USERS: usersOf({ ann: 'right' }) })
  onTestFinished(() => app.stop())
  expectForbidden(await app.ask('GET /api/v0/clusters'))
  expectForbidden(await app.ask('GET /api/v0/clusters', { headers: basic('ann', 'wrong') }))
  expect((await app.ask('GET /api/v0/clusters', { headers: basic('ann', 'right') })).status).toBe(200)
})

test('a server of credentials that is gone lets nobody in', async () => {
  const app = await startApp({ CLUSTERS_BEARER_URL: 'http://127.0.0.1:1/', CLUSTERS_KEYSTONE_URL: 'http://127.0.0.1:1/' })
  onTestFinished(() => app.stop())
  expectForbidden(await app.ask('GET /api/v0/clusters', { headers: bearer('good') }))
  expectForbidden(await app.ask('GET /api/v0/clusters', { headers: basic('ann', 'right') }))
})

test('a file of users that cannot be read ends the start', async () => {
  await expect(startApp({ CLUSTERS_USERS_FILE: join(directory, 'nowhere.json') })).rejects.toThrow('CLUSTERS_USERS_FILE')
})

describe('client certificates', () => {
  test('those of the authority pass, with the CN where one is set, and no foreign page changes anything by one', async () => {
    const made = tlsMaterial(directory)
    const other = makeCertificate(directory, 'other', 'DNS:other', { authority: made.authority })
    const app = await startApp({
      TLS_PORT: '0',
      TLS_CERT_FILE: made.server.certificate,
      TLS_KEY_FILE: made.server.key,
      TLS_CLIENT_CA_FILE: made.authority.certificate,
      CLUSTERS_AUTH: 'httpauthclientcert',
      CLUSTERS_CLIENT_CN: 'agent-7.example.com',
    })
    onTestFinished(() => app.stop())
    const url = app.app.tlsUrl() ?? ''
    const ask = async (line: string, client?: CertificateFiles, headers = {}): Promise<number> => {
      const agent = tlsAgent([made.server], client)
      onTestFinished(() => agent.destroy())
      return (await askTls(url, line, agent, { headers })).status
    }
    expect(await ask('PUT /api/v0/cluster/a', made.client)).toBe(201)
    expect(await ask('GET /api/v0/clusters', other)).toBe(403)
    expect(await ask('GET /api/v0/clusters')).toBe(403)
    expect(await ask('PUT /api/v0/cluster/b', made.client, { Origin: 'https://elsewhere' })).toBe(403)
    expectForbidden(await app.ask('GET /api/v0/clusters'))
  })
})
