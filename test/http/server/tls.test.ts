import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Agent } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { openCredentials } from '../../../src/stores/credentials/credentials.ts'
import type { CertificateFiles } from '../../engines/certificate.ts'
import { startApp, type TestApp } from '../app.ts'
import { askTls, type TlsMaterial, tlsAgent, tlsMaterial } from '../tls.ts'

let directory: string
let made: TlsMaterial
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'intendant-tls-'))
  made = tlsMaterial(directory)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** The files that a server is told, with the first certificate. */
const serverFiles = (name: string) => {
  const files = { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) }
  const use = ({ certificate, key }: CertificateFiles): void => {
    copyFileSync(key, files.key)
    copyFileSync(certificate, files.certificate)
  }
  use(made.server)
  return { ...files, use }
}

const start = async (
  env: Readonly<Record<string, string>> = {},
  options: Parameters<typeof startApp>[1] & { readonly files?: ReturnType<typeof serverFiles> } = {},
): Promise<TestApp & { readonly tls: string }> => {
  const { files = { certificate: made.server.certificate, key: made.server.key }, ...more } = options
  const app = await startApp({ TLS_PORT: '0', TLS_CERT_FILE: files.certificate, TLS_KEY_FILE: files.key, ...env }, more)
  onTestFinished(() => app.stop())
  return { ...app, tls: app.app.tlsUrl() ?? '' }
}

const agentFor = (client?: CertificateFiles, more = {}): Agent => {
  const agent = tlsAgent([made.server, made.nextServer], client, more)
  onTestFinished(() => agent.destroy())
  return agent
}

test('both listeners answer the same, one of them with TLS', async () => {
  const app = await start()
  expect(app.tls).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
  const agent = agentFor()
  const submitted = await askTls(app.tls, 'POST /v1/operations', agent, { body: { kind: 'probe', input: { echo: 'over TLS' } } })
  expect(submitted).toMatchObject({ status: 202, httpVersion: '1.1', server: 'server' })
  expect(submitted.json.requestedBy).toEqual({ principal: 'anonymous', face: null, address: '127.0.0.1' })
  const { json } = await app.ask(`GET /v1/operations/${submitted.json.id}?wait=30`)
  const again = await askTls(app.tls, `GET /v1/operations/${submitted.json.id}`, agent)
  expect(again.json).toEqual(json)
  expect(again.socket).toBe(submitted.socket)
  expect((await askTls(app.tls, 'GET /readyz', agent)).json.checks.tls).toBe('ok')
  expect(await askTls(app.tls, 'GET /v1/operations', agent, { headers: { 'X-Big': 'x'.repeat(20_000) } })).toMatchObject({
    status: 431,
    json: { type: 'urn:intendant:problem:header-too-large' },
  })
})

const handshake = (url: string, options: object): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(url)
    const socket = connectTls({ host, port: Number(port), rejectUnauthorized: false, ...options }, () => resolve(socket))
    socket.on('error', reject)
    onTestFinished(() => {
      socket.destroy()
    })
  })

test('TLS 1.2 and later is spoken, and HTTP/1.1 over it', async () => {
  const app = await start()
  const protocols = { ALPNProtocols: ['h2', 'http/1.1'] }
  for (const [version, spoken] of [
    ['TLSv1.2', 'TLSv1.2'],
    ['TLSv1.3', 'TLSv1.3'],
  ] as const) {
    const socket = await handshake(app.tls, { minVersion: version, maxVersion: version, ...protocols })
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual([spoken, 'http/1.1'])
  }
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
  await expect(handshake(app.tls, old)).rejects.toThrow(/protocol version|alert/i)
})

test('who speaks no TLS to the TLS port is cut off, and others go on', async () => {
  const app = await start()
  const { hostname, port } = new URL(app.tls)
  const heard = await new Promise<string>((resolve) => {
    let text = ''
    const socket = connectPlain(Number(port), hostname, () => socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n'))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
  })
  expect(heard).not.toContain('HTTP/1.1')
  expect((await askTls(app.tls, 'GET /livez', agentFor())).status).toBe(200)
})

/** Asks over new connections until one has the server's next certificate. */
const untilServedBy = async (url: string, name: string): Promise<void> => {
  for (;;) {
    const agent = agentFor()
    const { server } = await askTls(url, 'GET /livez', agent)
    agent.destroy()
    if (server === name) return
    await systemClock.sleep(50)
  }
}

test('a changed certificate is taken up within 5 s, and open connections stay', async () => {
  const files = serverFiles('renewed')
  const app = await start({}, { files })
  const agent = agentFor()
  const before = await askTls(app.tls, 'GET /livez', agent)
  expect(before.server).toBe('server')
  files.use(made.nextServer)
  const since = systemClock.monotonic()
  await untilServedBy(app.tls, 'next-server')
  expect(systemClock.monotonic() - since).toBeLessThan(5_000)
  const after = await askTls(app.tls, 'GET /livez', agent)
  expect(after.status).toBe(200)
  expect(after.socket).toBe(before.socket)
})

test('faulty new files are named, and the last good ones stay', async () => {
  const files = serverFiles('faulty')
  const app = await start({}, { files })
  const untilTls = async (expected: RegExp) => {
    await expect
      .poll(async () => (await app.ask('GET /readyz')).json.checks.tls, { timeout: 20_000, interval: 50 })
      .toMatch(expected)
  }
  copyFileSync(made.nextServer.key, files.key)
  await untilTls(
    /^the key in .*faulty\.key \(TLS_KEY_FILE\) is not that of the certificate in .*; the last good files stay in use$/,
  )
  expect(await app.ask('GET /readyz')).toMatchObject({ status: 503, json: { status: 'failing' } })
  expect((await askTls(app.tls, 'GET /livez', agentFor())).server).toBe('server')
  rmSync(files.certificate)
  await untilTls(/^TLS_CERT_FILE names .*faulty\.pem, which does not exist/)
  expect((await askTls(app.tls, 'GET /livez', agentFor())).server).toBe('server')
  files.use(made.nextServer)
  await untilTls(/^ok$/)
  await untilServedBy(app.tls, 'next-server')
})

test('a client certificate that the authority stands behind is a principal, any other is nobody', async () => {
  const file = join(directory, 'credentials.json')
  const credentials = openCredentials(file)
  await credentials.add({ name: 'agent-7', scopes: ['v1:write'], clientCn: 'agent-7.example.com' })
  const { token } = await credentials.add({ name: 'reader', scopes: ['v1:read'] })
  const env = { CREDENTIALS_FILE: file, TLS_CLIENT_CA_FILE: made.authority.certificate }
  const app = await start(env)
  const agent = agentFor(made.client)
  const body = { kind: 'probe', input: {} }
  const submitted = await askTls(app.tls, 'POST /v1/operations', agent, { body })
  expect(submitted).toMatchObject({ status: 202, json: { requestedBy: { principal: 'agent-7' } } })
  for (const client of [undefined, made.stranger])
    expect((await askTls(app.tls, 'GET /v1/operations', agentFor(client))).status).toBe(401)
  // Twice over new connections: a resumed session would not be asked again.
  for (const client of [made.stranger, made.client]) {
    const status = client === made.client ? 200 : 401
    const agent = agentFor(client, { maxCachedSessions: 10, keepAlive: false })
    for (let n = 0; n < 2; n++) {
      const answer = await askTls(app.tls, 'GET /v1/operations', agent)
      expect(answer.status).toBe(status)
      expect(answer.isResumed).toBe(false)
    }
  }
  // What a client says of itself counts first.
  const asReader = { headers: { Authorization: `Bearer ${token}` } }
  expect((await askTls(app.tls, 'POST /v1/operations', agent, { body, ...asReader })).status).toBe(403)
  expect((await askTls(app.tls, 'GET /v1/operations', agent, { headers: { Authorization: 'Bearer wrong' } })).status).toBe(401)
  // A browser shows its certificate for the pages of others, too.
  const foreign = { headers: { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' } }
  expect((await askTls(app.tls, 'POST /v1/operations', agent, { body, ...foreign })).status).toBe(401)
  expect((await askTls(app.tls, 'POST /v1/operations', agent, { body, headers: { Origin: app.tls } })).status).toBe(202)
  // Without TLS there is no certificate.
  expect((await app.ask('GET /v1/operations')).status).toBe(401)
  credentials.remove('agent-7')
  await expect.poll(async () => (await askTls(app.tls, 'GET /v1/operations', agent)).status, { timeout: 20_000 }).toBe(401)
})

test('a client certificate counts until it runs out, and not at all where clients are not asked for one', async () => {
  const file = join(directory, 'later.json')
  await openCredentials(file).add({ name: 'agent-7', scopes: ['*'], clientCn: 'agent-7.example.com' })
  let aheadMs = 0
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs }
  const app = await start({ CREDENTIALS_FILE: file, TLS_CLIENT_CA_FILE: made.authority.certificate }, { clock })
  const agent = agentFor(made.client)
  expect((await askTls(app.tls, 'GET /v1/kinds', agent)).status).toBe(200)
  aheadMs = 3 * 24 * 3_600_000
  expect((await askTls(app.tls, 'GET /v1/kinds', agent)).status).toBe(401)
  const unasked = await start({ CREDENTIALS_FILE: file })
  expect((await askTls(unasked.tls, 'GET /v1/kinds', agentFor(made.client))).status).toBe(401)
})

test('without credentials the same hosts and pages are let in as without TLS', async () => {
  const app = await start({ ALLOWED_HOSTS: 'own.example:443 other.example:8443' })
  const agent = agentFor(undefined, { checkServerIdentity: () => undefined })
  const statusFor = async (headers: Readonly<Record<string, string>>, line = 'GET /v1/kinds') =>
    (await askTls(app.tls, line, agent, { headers })).status
  const { host, port } = new URL(app.tls)
  expect(await statusFor({ Host: host })).toBe(200)
  expect(await statusFor({ Host: `localhost:${port}` })).toBe(200)
  expect(await statusFor({ Host: 'own.example' })).toBe(200)
  expect(await statusFor({ Host: 'own.example:443' })).toBe(200)
  expect(await statusFor({ Host: 'own.example:80' })).toBe(421)
  expect(await statusFor({ Host: 'other.example' })).toBe(421)
  expect(await statusFor({ Host: 'evil.example' })).toBe(421)
  const cancel = 'POST /v1/operations/019ab2c4-0000-7000-8000-000000000000/cancel'
  expect(await statusFor({ Host: host, Origin: `https://${host}` }, cancel)).toBe(404)
  expect(await statusFor({ Host: 'own.example:443', Origin: 'https://own.example' }, cancel)).toBe(404)
  expect(await statusFor({ Host: host, Origin: `http://${host}` }, cancel)).toBe(403)
  expect(await statusFor({ Host: host, Origin: 'https://evil.example' }, cancel)).toBe(403)
})

test('PORT=off leaves the TLS listener alone, and a stop answers what is under way', async () => {
  const app = await start({ PORT: 'off' })
  expect(app.url).toBe(app.tls)
  const agent = agentFor()
  const submitted = await askTls(app.tls, 'POST /v1/operations', agent, { body: { kind: 'probe', input: { sleepMs: 600_000 } } })
  const waiting = askTls(app.tls, `GET /v1/operations/${submitted.json.id}?wait=60`, agentFor())
  await askTls(app.tls, 'GET /livez', agent)
  await app.app.stop()
  expect((await waiting).status).toBe(200)
  await expect(askTls(app.tls, 'GET /livez', agentFor())).rejects.toThrow(/ECONNREFUSED/)
})

test.each([
  ['no certificate', /^TLS_CERT_FILE names .*bad\.pem, which holds no certificate in PEM$/],
  ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', /which holds a damaged certificate/],
])('a certificate file with %j ends the start with a sentence', async (text, message) => {
  const certificate = join(directory, 'bad.pem')
  writeFileSync(certificate, text)
  await expect(start({ TLS_CERT_FILE: certificate })).rejects.toThrow(message)
})

test('a wrong path, key or authority ends the start with a sentence', async () => {
  await expect(start({ TLS_KEY_FILE: '/nowhere/tls.key' })).rejects.toThrow(
    /^TLS_KEY_FILE names \/nowhere\/tls.key, which does not exist$/,
  )
  await expect(start({ TLS_KEY_FILE: directory })).rejects.toThrow(/^TLS_KEY_FILE names .*, which cannot be read: .*EISDIR/)
  await expect(start({ TLS_KEY_FILE: made.nextServer.key })).rejects.toThrow(/is not that of the certificate/)
  await expect(start({ TLS_KEY_FILE: made.server.certificate })).rejects.toThrow(/holds no private key in PEM/)
  await expect(start({ TLS_CLIENT_CA_FILE: made.server.key })).rejects.toThrow(
    /^TLS_CLIENT_CA_FILE names .* holds no certificate/,
  )
})
