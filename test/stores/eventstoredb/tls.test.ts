import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { messageOf, Unavailable } from '../../../src/lib/errors.ts'
import { newId } from '../../../src/lib/ids.ts'
import { all, event } from '../../contracts/event-log-tools.ts'
import { makeCertificate } from '../../engines/certificate.ts'
import { eventStoreDbUrl } from '../../engines/running.ts'
import { opened } from './opened.ts'

const password = 'pa55 w0rd'
const user = `admin:${encodeURIComponent(password)}`

/** A certificate of localhost that is its own authority. Undefined where there is no openssl. */
const certificate = (() => {
  const directory = mkdtempSync(join(tmpdir(), 'intendant-tls-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  try {
    const files = makeCertificate(directory, 'localhost', 'DNS:localhost')
    return { file: files.certificate, key: readFileSync(files.key), cert: readFileSync(files.certificate) }
  } catch {
    return undefined
  }
})()
const pair = { key: certificate?.key, cert: certificate?.cert, ALPNProtocols: ['h2'] }

const listening = async (server: { listen(port: number, host: string): unknown; address(): AddressInfo | string | null }) => {
  server.listen(0, '127.0.0.1')
  await once(server as never, 'listening')
  return (server.address() as AddressInfo).port
}

/** The running server behind TLS; answers its port. */
const behindTls = async (): Promise<number> => {
  const [, host, port] = /\/\/(?:[^@]*@)?([^:/?]+):(\d+)/.exec(eventStoreDbUrl ?? '') ?? []
  const sockets = new Set<{ destroy(): void }>()
  const server = createServer(pair, (outside) => {
    const inside = connect(Number(port), host ?? '')
    for (const socket of [outside, inside]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
    }
    outside.pipe(inside).pipe(outside)
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return listening(server)
}

describe.skipIf(certificate === undefined)('EventStoreDB over TLS', () => {
  const plain = eventStoreDbUrl?.includes('tls=false') === true

  test.skipIf(!plain)('is used where the authority is known, with user and password', async () => {
    const port = await behindTls()
    const { log, lines } = await opened(`esdb://${user}@localhost:${port}?tls=true&tlsCAFile=${certificate?.file}`)
    const stream = `secure-${newId()}`
    const given = event()
    await log.append(stream, 'noStream', [given])
    expect((await all(log.readStream(stream))).map(({ id }) => id)).toEqual([given.id])
    expect(JSON.stringify(lines)).not.toMatch(/pa55/)
  })

  test.skipIf(!plain)('is refused where the authority is not known', async () => {
    const port = await behindTls()
    const error = await opened(`esdb://${user}@localhost:${port}?tls=true`, { startWithinMs: 300 }).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(Unavailable)
    expect(messageOf(error)).toMatch(
      /^EventStoreDB at localhost:\d+ cannot be used: TLS failed .*self-signed certificate.*tlsCAFile/s,
    )
    expect(messageOf(error)).not.toMatch(/pa55/)
  })

  test('a refused password is told at once, and not by its letters', async () => {
    const asked: (string | undefined)[] = []
    // What a server answers to a user that it does not know.
    const server = createSecureServer(pair).on('stream', (stream, headers) => {
      asked.push(headers.authorization)
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': 16, 'grpc-message': 'Unauthenticated' },
        { endStream: true },
      )
    })
    onTestFinished(() => void server.close())
    const port = await listening(server)
    const before = performance.now()
    const error = await opened(`esdb://${user}@localhost:${port}?tls=true&tlsCAFile=${certificate?.file}`).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(Unavailable)
    expect(messageOf(error)).toMatch(/^EventStoreDB at localhost:\d+ cannot be used: the user or the password is wrong/)
    expect(messageOf(error)).not.toMatch(/pa55/)
    expect(performance.now() - before).toBeLessThan(10_000)
    expect(asked).toContain(`Basic ${Buffer.from(`admin:${password}`).toString('base64')}`)
  })
})
