import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { sha256 } from '../../src/lib/ids.ts'
import type { Outbound, OutboundRequest } from '../../src/workers/outbound/outbound.ts'

/** What the site was asked, as it came. */
interface Echo {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: number
  readonly sha256: string
}

const part = Buffer.alloc(64 * 1024, 'x')

const answer = async (request: IncomingMessage, response: ServerResponse, open: Set<ServerResponse>): Promise<void> => {
  const url = new URL(request.url ?? '/', 'http://site')
  const status = Number(url.searchParams.get('status') ?? 302)
  switch (url.pathname) {
    case '/echo': {
      const body = await buffer(request)
      const { method, headers } = request
      response.setHeader('X-Two', ['a', 'b'])
      response.end(JSON.stringify({ method, url: request.url, headers, bytes: body.length, sha256: sha256(body) }))
      return
    }
    case '/redirect':
      response.writeHead(status, { Location: url.searchParams.get('to') ?? '/redirect' }).end('moved')
      return
    case '/large': {
      let left = Number(url.searchParams.get('bytes'))
      const write = (): void => {
        while (left > 0) {
          const piece = part.subarray(0, Math.min(left, part.length))
          left -= piece.length
          if (!response.write(piece)) return void response.once('drain', write)
        }
        response.end()
      }
      write()
      return
    }
    case '/silent':
      open.add(response)
      return
    case '/half':
      response.write('half')
      open.add(response)
      return
    case '/cut':
      response.writeHead(200, { 'Content-Length': 100 })
      response.write('half', () => response.destroy())
      return
    case '/dripping': {
      let left = 6
      const drip = (): void => {
        if (left-- === 0) return void response.end()
        response.write('.')
        setTimeout(drip, 60)
      }
      drip()
      return
    }
    default:
      response.writeHead(404).end('nothing here')
  }
}

/** The suite of the client for other machines: directly, and through a proxy. */
export const outboundContract = (name: string, open: () => Outbound | Promise<Outbound>): void => {
  describe(name, () => {
    const waiting = new Set<ServerResponse>()
    const server = createServer((request, response) => void answer(request, response, waiting).catch(() => response.destroy()))
    let outbound: Outbound
    let site = ''

    beforeAll(async () => {
      await once(server.listen(0, '0.0.0.0'), 'listening')
      site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      outbound = await open()
    })
    afterAll(() => {
      server.closeAllConnections()
      server.close()
    })
    const ask = (path: string, more: Partial<OutboundRequest> = {}) => outbound.request({ url: site + path, ...more })
    const echo = async (path: string, more: Partial<OutboundRequest> = {}): Promise<Echo> =>
      JSON.parse(await (await ask(path, more)).text()) as Echo

    test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'])(
      '%s arrives with its headers and its body',
      async (method) => {
        const body = method === 'GET' ? undefined : 'ünïcode'
        const seen = await echo('/echo?a=b', { method, headers: { 'X-One': '1' }, ...(body === undefined ? {} : { body }) })
        expect(seen).toMatchObject({ method, url: '/echo?a=b', bytes: body === undefined ? 0 : 9 })
        expect(seen.headers).toMatchObject({ 'x-one': '1', 'user-agent': expect.stringMatching(/^Intendant\//) })
      },
    )

    test('the head says status, address and headers, in any case', async () => {
      const response = await ask('/echo')
      expect(response).toMatchObject({ status: 200, url: `${site}/echo` })
      expect(response.header('x-TWO')).toBe('a')
      expect(response.headers.filter(([header]) => header === 'X-Two')).toHaveLength(2)
      response.discard()
      const missing = await ask('/nothing')
      expect(missing.status).toBe(404)
      expect(await missing.text()).toBe('nothing here')
    })

    test('a stream of unknown length is sent in chunks, one of known length with it', async () => {
      const parts = [randomBytes(70_000), randomBytes(1), randomBytes(200_000)]
      const whole = Buffer.concat(parts)
      const stream = async function* () {
        yield* parts
      }
      const chunked = await echo('/echo', { method: 'PUT', body: stream() })
      expect(chunked).toMatchObject({ bytes: whole.length, sha256: sha256(whole) })
      expect(chunked.headers['transfer-encoding']).toBe('chunked')
      const headers = { 'Content-Length': String(whole.length) }
      const known = await echo('/echo', { method: 'PUT', body: stream(), headers })
      expect(known).toMatchObject({
        bytes: whole.length,
        sha256: sha256(whole),
        headers: { 'content-length': `${whole.length}` },
      })
    })

    test('what the body of a request throws is what the request fails with', async () => {
      const stream = async function* () {
        yield Buffer.from('a')
        throw new Error('the disk is gone')
      }
      await expect(ask('/echo', { method: 'PUT', body: stream() })).rejects.toThrow('the disk is gone')
    })

    test('a large body is read in parts, and what is not read is not sent', async () => {
      const bytes = 48 * 1024 * 1024
      const response = await ask(`/large?bytes=${bytes}`)
      const before = process.memoryUsage().arrayBuffers
      await systemClock.sleep(100)
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
      let read = 0
      for await (const piece of response.body) read += piece.length
      expect(read).toBe(bytes)
    })

    test('more than the largest allowed body is refused', async () => {
      const response = await ask('/large?bytes=1000000', { maxBytes: 999_999 })
      await expect(response.bytes()).rejects.toMatchObject({ name: 'RequestFailed', reason: 'too_large' })
      const enough = await ask('/large?bytes=1000000', { maxBytes: 1_000_000 })
      expect(await enough.bytes()).toHaveLength(1_000_000)
    })

    test('a body that breaks off fails', async () => {
      await expect((await ask('/cut')).bytes()).rejects.toMatchObject({ reason: 'lost' })
    })

    test('time limits hold for the head and for the body', async () => {
      await expect(ask('/silent', { timeoutMs: 50 })).rejects.toMatchObject({ reason: 'timeout' })
      await expect((await ask('/half', { timeoutMs: 150 })).text()).rejects.toMatchObject({ reason: 'timeout' })
    })

    test('the idle limit cuts what stands still, and nothing that moves', async () => {
      await expect((await ask('/half', { idleMs: 80 })).text()).rejects.toMatchObject({ reason: 'timeout' })
      await expect(ask('/silent', { idleMs: 80 })).rejects.toMatchObject({ reason: 'timeout' })
      expect(await (await ask('/dripping', { idleMs: 250 })).text()).toBe('......')
    })

    test('a signal ends request and response with its reason', async () => {
      const early = new AbortController()
      early.abort(new Error('too early'))
      await expect(ask('/echo', { signal: early.signal })).rejects.toThrow('too early')
      const ending = new AbortController()
      const asked = ask('/silent', { signal: ending.signal })
      ending.abort(new Error('no more'))
      await expect(asked).rejects.toThrow('no more')
      const late = new AbortController()
      const response = await ask('/half', { signal: late.signal })
      late.abort(new Error('later'))
      await expect(response.text()).rejects.toThrow('later')
    })

    test('a redirect is an answer unless redirects are followed', async () => {
      const to = encodeURIComponent('/echo?there')
      const answered = await ask(`/redirect?to=${to}`)
      expect([answered.status, answered.header('location')]).toEqual([302, '/echo?there'])
      answered.discard()
      const followed = await ask(`/redirect?to=${to}`, { redirects: 1 })
      expect([followed.status, followed.url]).toEqual([200, `${site}/echo?there`])
      followed.discard()
      await expect(ask('/redirect', { redirects: 3 })).rejects.toThrow('more than 3 redirects')
      await expect(ask('/redirect?to=ftp://there/', { redirects: 3 })).rejects.toMatchObject({ reason: 'unsupported_scheme' })
    })

    test.each([
      [301, 'POST', 'GET', 0],
      [302, 'PUT', 'PUT', 4],
      [303, 'PUT', 'GET', 0],
      [307, 'POST', 'POST', 4],
      [308, 'POST', 'POST', 4],
    ])('a redirect %i of %s is followed as %s', async (status, method, as, bytes) => {
      const headers = { 'Content-Type': 'text/plain' }
      const seen = await echo(`/redirect?to=/echo&status=${status}`, { method, headers, body: 'body', redirects: 1 })
      expect(seen).toMatchObject({ method: as, bytes })
      expect(seen.headers['content-type']).toBe(bytes === 0 ? undefined : 'text/plain')
    })

    test('a stream is not sent a second time', async () => {
      const body = (async function* () {
        yield Buffer.from('once')
      })()
      await expect(ask('/redirect?to=/echo&status=307', { method: 'POST', body, redirects: 1 })).rejects.toThrow('sent once')
    })

    test('another origin sees no credentials of the first', async () => {
      const headers = { Authorization: 'Bearer secret', Cookie: 'a=b', 'X-Kept': 'yes' }
      const other = encodeURIComponent(`${site.replace('127.0.0.1', '127.0.0.2')}/echo`)
      const same = await echo('/redirect?to=/echo', { headers, redirects: 1 })
      expect(same.headers).toMatchObject({ authorization: 'Bearer secret', cookie: 'a=b' })
      await expect(
        ask(`/redirect?to=${other}`, { headers, redirects: 1, timeoutMs: 5_000 }).then((it) => it.text()),
      ).resolves.not.toContain('secret')
    })

    test('what cannot be reached says why', async () => {
      await expect(outbound.request({ url: 'nonsense' })).rejects.toMatchObject({ reason: 'unsupported_scheme' })
      await expect(outbound.request({ url: 'file:///etc/passwd' })).rejects.toMatchObject({ reason: 'unsupported_scheme' })
      await expect(outbound.request({ url: 'http://169.254.169.254/' })).rejects.toMatchObject({ reason: 'target_refused' })
    })
  })
}
