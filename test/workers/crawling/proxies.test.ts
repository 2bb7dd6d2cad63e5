import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Server } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { noProxies, proxiesOf } from '../../../src/lib/proxy-settings.ts'
import { fetchPage } from '../../../src/workers/crawling/fetch/fetch.ts'
import { createTargets } from '../../../src/workers/outbound/address-guard.ts'
import { createConnections } from '../../../src/workers/outbound/connections.ts'
import { makeCertificate } from '../../engines/certificate.ts'
import { folder, openCrawling, openSite } from './harness.ts'

const listening = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A proxy that leads every name to this machine, and tells what it was asked. */
const openProxy = async ({ login }: { readonly login?: string } = {}) => {
  const asked: string[] = []
  const mayPass = (request: IncomingMessage): boolean => {
    asked.push(`${request.method} ${request.url} ${request.headers.host}`)
    const expected = `Basic ${Buffer.from(login ?? '').toString('base64')}`
    return login === undefined || request.headers['proxy-authorization'] === expected
  }
  const server = createServer((request, response) => {
    if (!mayPass(request)) return response.writeHead(407).end('who are you')
    response.writeHead(200, { 'content-type': 'text/html' }).end('via the proxy')
  })
  server.on('connect', (request, client) => {
    client.on('error', () => undefined)
    if (!mayPass(request)) return client.end('HTTP/1.1 407 No\r\n\r\n')
    const upstream = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.pipe(client).pipe(upstream)
    })
    upstream.on('error', () => client.destroy())
    onTestFinished(() => void upstream.destroy())
  })
  onTestFinished(() => server.closeAllConnections())
  return { port: await listening(server), asked }
}

const openSecureSite = async () => {
  const { key, certificate } = makeCertificate(folder(), 'example.test', 'DNS:example.test')
  const server = createSecureServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (_request, response) =>
    response.end('inside'),
  )
  onTestFinished(() => server.closeAllConnections())
  return listening(server)
}

test('a fetch that is given up while the host is looked up for the proxy ends', async () => {
  const { port } = await openProxy()
  const ending = new AbortController()
  const targets = {
    ...createTargets({ allowLinkLocal: false, allowPrivate: true }),
    checkForProxy: async () => ending.abort(new Error('given up')),
  }
  const connections = createConnections(targets, () => ({ origin: `http://127.0.0.1:${port}` }))
  await expect(connections.open(new URL('http://example.test/'), ending.signal)).rejects.toThrow('given up')
})

interface Chosen {
  readonly proxy?: string
  readonly allowPrivate?: boolean
  readonly tlsVerify?: boolean
}

const fetcher = ({ proxy, allowPrivate = true, tlsVerify = true }: Chosen) => {
  const proxyFor = proxy === undefined ? noProxies : proxiesOf({ CRAWLING_PROXY: proxy }, 'CRAWLING_PROXY')
  const connections = createConnections(createTargets({ allowLinkLocal: false, allowPrivate, tlsVerify }), proxyFor)
  return (url: string) => fetchPage({ url, timeoutMs: 5_000, maxBytes: 1_000_000, connections, clock: systemClock })
}

test('plain pages are asked of the proxy by their whole address, each with the header of its host', async () => {
  const proxy = await openProxy({ login: 'jane:secret' })
  const fetchOne = fetcher({ proxy: `http://jane:secret@127.0.0.1:${proxy.port}` })
  for (const url of ['http://one.invalid/a?b=c', 'http://two.invalid:81/']) {
    const page = await fetchOne(url)
    expect(page.body.toString()).toBe('via the proxy')
    expect(JSON.stringify(page.requestHeaders)).not.toContain('Proxy')
  }
  expect(proxy.asked).toEqual(['GET http://one.invalid/a?b=c one.invalid', 'GET http://two.invalid:81/ two.invalid:81'])
})

test('pages with TLS go through a tunnel, and a proxy that refuses one is named', async () => {
  const port = await openSecureSite()
  const proxy = await openProxy({ login: 'jane:secret' })
  const fetchOne = fetcher({ proxy: `http://jane:secret@127.0.0.1:${proxy.port}`, tlsVerify: false })
  expect((await fetchOne(`https://example.test:${port}/`)).body.toString()).toBe('inside')
  expect((await fetchOne(`https://example.test:${port}/`)).body.toString()).toBe('inside')
  expect(proxy.asked[0]).toBe(`CONNECT example.test:${port} example.test:${port}`)
  const stranger = fetcher({ proxy: `http://127.0.0.1:${proxy.port}`, tlsVerify: false })
  await expect(stranger(`https://example.test:${port}/`)).rejects.toMatchObject({ reason: 'refused', message: /407/ })
})

test('a proxy that is not there fails the page', async () => {
  const server = createServer()
  const port = await listening(server)
  await new Promise((resolve) => server.close(resolve))
  for (const scheme of ['http', 'https'])
    await expect(fetcher({ proxy: `http://127.0.0.1:${port}` })(`${scheme}://one.invalid/`)).rejects.toMatchObject({
      reason: 'refused',
    })
})

test('what a crawl may not reach it does not ask a proxy for', async () => {
  const proxy = await openProxy()
  const at = `http://127.0.0.1:${proxy.port}`
  for (const url of ['http://169.254.169.254/', 'http://[fe80::1]/'])
    await expect(fetcher({ proxy: at })(url)).rejects.toMatchObject({ reason: 'target_refused' })
  const strict = fetcher({ proxy: at, allowPrivate: false })
  for (const url of ['http://127.0.0.1/', 'http://10.0.0.1/', 'http://localhost/', 'https://a.localhost/', 'http://0x7f.1/'])
    await expect(strict(url)).rejects.toMatchObject({ reason: 'target_refused' })
  expect(proxy.asked).toEqual([])
  expect((await strict('http://one.invalid/')).status).toBe(200)
})

test('certificates are checked unless a setting says otherwise', async () => {
  const port = await openSecureSite()
  await expect(fetcher({})(`https://127.0.0.1:${port}/`)).rejects.toMatchObject({ reason: 'tls' })
  expect((await fetcher({ tlsVerify: false })(`https://127.0.0.1:${port}/`)).body.toString()).toBe('inside')
  const crawling = await openCrawling({ settings: { tlsVerify: false } })
  const done = await crawling.ended(await crawling.feed({ url: `https://127.0.0.1:${port}/` }))
  expect(done.result).toMatchObject({ fetched: 1 })
})

test('a crawl names this program, and goes through the proxy of its settings', async () => {
  const site = await openSite({ '/': '<p>here' })
  const proxy = await openProxy()
  const crawling = await openCrawling({
    settings: {
      proxyFor: proxiesOf({ CRAWLING_PROXY: `http://127.0.0.1:${proxy.port}`, no_proxy: '127.0.0.1' }, 'CRAWLING_PROXY'),
    },
  })
  const there = await crawling.feed({ url: 'http://proxied.invalid/' })
  const here = await crawling.feed({ url: site.url('/'), crawlid: 'two' })
  for (const id of [there, here]) expect((await crawling.ended(id)).result).toMatchObject({ fetched: 1 })
  expect(proxy.asked).toEqual(['GET http://proxied.invalid/ proxied.invalid'])
  expect(site.headers[0]?.['user-agent']).toMatch(/^Intendant\/\d+\.\d+\.\d+/)
})
