import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { messageOf, Unavailable } from '../../../src/lib/errors.ts'
import { newId } from '../../../src/lib/ids.ts'
import { all, event } from '../../contracts/event-log-tools.ts'
import { makeCertificate } from '../../engines/certificate.ts'
import { canSecureEventStoreDb, type OwnEventStoreDb } from '../../engines/own.ts'
import { opened, ownServer } from './opened.ts'

const password = 'pa55 w0rd'
const users = { admin: password, reader: password }

/** A certificate of localhost that is its own authority. Undefined where there is no openssl. */
const certificate = (() => {
  const directory = mkdtempSync(join(tmpdir(), 'intendant-tls-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  try {
    return makeCertificate(directory, 'localhost', 'DNS:localhost')
  } catch {
    return undefined
  }
})()

/** A server that speaks TLS itself: real ones reset what comes to them through a proxy that terminates TLS. */
const secured = (): Promise<OwnEventStoreDb> => ownServer({ ...(certificate === undefined ? {} : { certificate }), users })

const as = ({ url }: { readonly url: string }, user: string, secret = password): string =>
  url.replace('//', `//${user}:${encodeURIComponent(secret)}@`)

/** Why it cannot be opened: told well before the minute for which a server is waited. */
const refusal = async (url: string): Promise<string> => {
  const error = await opened(url).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Unavailable)
  expect(messageOf(error)).not.toMatch(/pa55|another one/)
  return messageOf(error)
}

describe.skipIf(certificate === undefined || !canSecureEventStoreDb)('EventStoreDB over TLS', () => {
  test('is used where the authority is known, with user and password', async () => {
    const { log, lines } = await opened(as(await secured(), 'admin'))
    const stream = `secure-${newId()}`
    const given = event()
    await log.append(stream, 'noStream', [given])
    expect((await all(log.readStream(stream))).map(({ id }) => id)).toEqual([given.id])
    await log.append(`key-${stream}`, 'noStream', [event('KeyCreated')])
    await log.forget(`key-${stream}`)
    expect((await all(log.readAll())).map(({ id }) => id)).toEqual([given.id])
    expect(JSON.stringify(lines)).not.toMatch(/pa55/)
  })

  test('is refused where the authority is not known', async () => {
    const url = as(await secured(), 'admin').replace(/&tlsCAFile=.*$/, '')
    const error = await opened(url, { startWithinMs: 300 }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Unavailable)
    expect(messageOf(error)).toMatch(
      /^EventStoreDB at localhost:\d+ cannot be used: TLS failed .*self-signed certificate.*tlsCAFile/s,
    )
    expect(messageOf(error)).not.toMatch(/pa55/)
  })

  test('a server behind a proxy that terminates TLS resets every call, which is told', async () => {
    const asked: (string | undefined)[] = []
    const server = createSecureServer({
      key: readFileSync(certificate?.key ?? ''),
      cert: readFileSync(certificate?.certificate ?? ''),
      ALPNProtocols: ['h2'],
    }).on('stream', (stream, headers) => {
      asked.push(headers.authorization)
      // Node tells the server too that its stream was reset.
      stream.on('error', () => undefined)
      stream.close(constants.NGHTTP2_PROTOCOL_ERROR)
    })
    onTestFinished(() => void server.close())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const url = `esdb://localhost:${port}?tls=true&tlsCAFile=${certificate?.certificate}`
    const error = await opened(as({ url }, 'admin'), { startWithinMs: 300 }).catch((thrown: unknown) => thrown)
    expect(messageOf(error)).toMatch(/cannot be used: the server reset the call.*proxy that terminates TLS/)
    expect(asked).toContain(`Basic ${Buffer.from(`admin:${password}`).toString('base64')}`)
  })

  test('who it does not let in is told at once what is missing, and never a password', async () => {
    const server = await secured()
    for (const [user, secret] of [
      ['admin', 'another one'],
      ['nobody', password],
    ] as const)
      expect(await refusal(as(server, user, secret))).toMatch(
        /^EventStoreDB at localhost:\d+ cannot be used: the user or the password is wrong/,
      )
    expect(await refusal(server.url)).toMatch(/cannot be used: the server wants a user and a password: esdb:\/\/user:password@/)
    expect(await refusal(as(server, 'reader'))).toMatch(
      /cannot be used: the user "reader" is not allowed to read \$all; members of the group \$admins are/,
    )
  })
})
