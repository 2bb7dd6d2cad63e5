import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { Arrival } from '../../../src/http/faces/arrival.ts'
import { createClientAddress, isProxyEntry } from '../../../src/http/server/client-address.ts'
import { startApp } from '../app.ts'

const address = (trusted: readonly string[], remoteAddress: string, headers: Readonly<Record<string, string>>) =>
  createClientAddress(trusted)({ incoming: { socket: { remoteAddress } } as IncomingMessage, headers } as unknown as Arrival)

const proxies = ['10.0.0.0/8', '::1', '2001:db8::/32', '::ffff:192.168.0.0/112']

describe('a proxy that is trusted', () => {
  test.each([
    ['one hop', { 'x-forwarded-for': '1.2.3.4' }, '1.2.3.4'],
    ['with a port', { 'x-forwarded-for': '1.2.3.4:5678' }, '1.2.3.4'],
    ['IPv6', { 'x-forwarded-for': '[2a00::1]:99' }, '2a00::1'],
    ['IPv4 in IPv6', { 'x-forwarded-for': '::ffff:1.2.3.4' }, '1.2.3.4'],
    ['what a client claims before it is not believed', { 'x-forwarded-for': '6.6.6.6, 1.2.3.4' }, '1.2.3.4'],
    ['several proxies', { 'x-forwarded-for': '6.6.6.6, 1.2.3.4, 10.9.9.9,192.168.0.7' }, '1.2.3.4'],
    ['proxies alone', { 'x-forwarded-for': '10.0.0.2, 10.0.0.3' }, '10.0.0.2'],
    ['an unreadable hop ends the way', { 'x-forwarded-for': '1.2.3.4, what, 10.0.0.3' }, '10.0.0.3'],
    ['nothing but an unreadable hop', { 'x-forwarded-for': 'unknown' }, '10.0.0.1'],
    ['an empty header', { 'x-forwarded-for': '' }, '10.0.0.1'],
    ['no decimal address', { 'x-forwarded-for': '0x7f.1' }, '10.0.0.1'],
    ['Forwarded', { forwarded: 'for=1.2.3.4;proto=https;by=10.0.0.1' }, '1.2.3.4'],
    ['Forwarded with quotes', { forwarded: 'proto=http; For="[2a00::1]:4711"' }, '2a00::1'],
    ['Forwarded with several hops', { forwarded: 'for=6.6.6.6, for="1.2.3.4:80", for=10.0.0.2' }, '1.2.3.4'],
    ['a quoted comma', { forwarded: 'for=1.2.3.4;host="a,for=6.6.6.6"' }, '1.2.3.4'],
    ['a hidden client', { forwarded: 'for=_secret, for=10.0.0.2' }, '10.0.0.2'],
    ['an element without for', { forwarded: 'for=6.6.6.6, proto=https' }, '10.0.0.1'],
    ['both, which agree', { forwarded: 'for=1.2.3.4', 'x-forwarded-for': '1.2.3.4' }, '1.2.3.4'],
    ['both, which differ', { forwarded: 'for=6.6.6.6', 'x-forwarded-for': '1.2.3.4' }, '10.0.0.1'],
    ['no header', {}, '10.0.0.1'],
  ])('%s', (_name, headers, expected) => {
    expect(address(proxies, '10.0.0.1', headers as Record<string, string>)).toBe(expected)
    expect(address(proxies, '::ffff:10.0.0.1', headers as Record<string, string>)).toBe(expected)
  })

  test.each(['::1', '2001:db8:ffff::1', '192.168.0.255'])('%s', (proxy) => {
    expect(address(proxies, proxy, { 'x-forwarded-for': '1.2.3.4' })).toBe('1.2.3.4')
  })
})

test.each(['11.0.0.1', '2001:db9::1', '192.169.0.0', '::ffff:9.0.0.1'])('%s is believed nothing', (remote) => {
  const headers = { 'x-forwarded-for': '1.2.3.4', forwarded: 'for=1.2.3.4' }
  expect(address(proxies, remote, headers)).toBe(remote.replace('::ffff:', ''))
  expect(address([], '10.0.0.1', headers)).toBe('10.0.0.1')
})

test.each(['10.0.0.0/33', '10.0.0', 'proxy', '::/129', '1.2.3.4/', '1.2.3.4/8/8', '::ffff:1.2.3.4/95', '[::1]'])(
  '%s is no proxy',
  (entry) => expect(isProxyEntry(entry)).toBe(false),
)

test('an operation names the client behind the proxy', async () => {
  for (const [trusted, expected] of [
    ['127.0.0.1', '1.2.3.4'],
    ['10.0.0.1', '127.0.0.1'],
  ] as const) {
    const app = await startApp({ TRUSTED_PROXIES: trusted })
    const { json } = await app.probe({}, {}, { 'X-Forwarded-For': '6.6.6.6, 1.2.3.4' })
    expect(json.requestedBy).toMatchObject({ address: expected })
    await app.stop()
  }
})
