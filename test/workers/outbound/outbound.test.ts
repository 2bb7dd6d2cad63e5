import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request as forward } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { proxiesOf } from '../../../src/lib/proxy-settings.ts'
import { createOutbound } from '../../../src/workers/outbound/outbound.ts'
import { outboundContract } from '../../contracts/outbound.ts'
import { makeCertificate } from '../../engines/certificate.ts'
import { temporaryDirectory } from '../../stores/temporary.ts'

const addresses = { allowLinkLocal: false, allowPrivate: true }

outboundContract('directly', () => createOutbound({ addresses, clock }))

outboundContract('through a proxy', async () => {
  const proxy = createServer((asked, answer) => {
    const { hostname, port, pathname, search } = new URL(asked.url ?? '')
    const { method = 'GET', headers } = asked
    const onward = forward({ hostname, port, path: pathname + search, method, headers }, (came) => {
      answer.writeHead(came.statusCode ?? 502, came.rawHeaders)
      came.on('error', () => answer.destroy()).pipe(answer)
    })
    onward.on('error', () => answer.destroy())
    answer.on('close', () => onward.destroy())
    asked.on('error', () => onward.destroy()).pipe(onward)
  }).unref()
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  const { port } = proxy.address() as AddressInfo
  return createOutbound({
    addresses,
    proxyFor: proxiesOf({ ROBOT_PROXY: `http://127.0.0.1:${port}` }, 'ROBOT_PROXY'),
    clock,
  })
})

test('private addresses are refused in the words of the face, on redirects too', async () => {
  const remedies = { private: 'hooks may not reach it (HOOKS_ALLOW_PRIVATE)' }
  const outbound = createOutbound({ addresses: { allowLinkLocal: false, allowPrivate: false, remedies }, clock })
  await expect(outbound.request({ url: 'http://localhost:1/' })).rejects.toMatchObject({
    reason: 'target_refused',
    message: expect.stringContaining('hooks may not reach it (HOOKS_ALLOW_PRIVATE)'),
  })
})

test('addresses of no single host are refused where only hosts may be reached', async () => {
  const outbound = createOutbound({ addresses: { ...addresses, allowNoHost: false }, clock })
  for (const host of ['0.0.0.0', '224.0.0.1', '[::]', '[ff02::1]', '255.255.255.255'])
    await expect(outbound.request({ url: `http://${host}:1/` })).rejects.toMatchObject({ reason: 'target_refused' })
})

test('TLS: certificates are checked against the given authority or not at all, and one of our own is shown', async () => {
  const directory = temporaryDirectory()
  const { key, certificate } = makeCertificate(directory, 'site', 'IP:127.0.0.1')
  const pem = { key: readFileSync(key, 'utf8'), cert: readFileSync(certificate, 'utf8') }
  const server = createSecureServer({ ...pem, requestCert: true, rejectUnauthorized: false }, (request, response) =>
    response.end((request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? 'nobody'),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const outbound = createOutbound({ addresses, clock })
  await expect(outbound.request({ url })).rejects.toMatchObject({ reason: 'tls' })
  const answered = async (tls: object) => (await outbound.request({ url, tls })).text()
  expect(await answered({ verify: false })).toBe('nobody')
  expect(await answered({ ca: pem.cert })).toBe('nobody')
  expect(await answered({ ca: pem.cert, ...pem })).toBe('site')
  // A connection that was made without a look at the certificate serves nobody who asks for one.
  await expect(outbound.request({ url })).rejects.toMatchObject({ reason: 'tls' })
})
