import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { messageOf, Unacceptable, Unavailable } from '../../../src/lib/errors.ts'
import { newId } from '../../../src/lib/ids.ts'
import { openEventStoreDb } from '../../../src/stores/eventstoredb/open-connection.ts'
import { eventStoreDbSettings } from '../../../src/stores/eventstoredb/settings.ts'
import { all, event } from '../../contracts/event-log-tools.ts'
import { canOwnEventStoreDb } from '../../engines/own.ts'
import { eventStoreDbUrl } from '../../engines/running.ts'
import { opened, ownServer } from './opened.ts'

const password = 'pa55-w0rd'

/** What a person is told who gives this connection string, and everything that was logged meanwhile. */
const refusal = async (url: string) => {
  const logged: string[] = []
  const logger = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) })
  const error = await openEventStoreDb({ url, appendTimeoutMs: 500, startWithinMs: 700, clock: systemClock, logger }).catch(
    (thrown: unknown) => thrown,
  )
  expect(messageOf(error)).not.toContain(password)
  expect(logged.join('')).not.toContain(password)
  return error
}

describe('a connection string', () => {
  const wrong: [what: string, url: string][] = [
    ['no password', 'esdb://admin@127.0.0.1:2113'],
    ['a password with a colon', `esdb://admin:a:${password}@127.0.0.1:2113`],
    ['a password with a slash', `esdb://admin:a/${password}@127.0.0.1:2113`],
    ['an unknown option', `esdb://admin:${password}@127.0.0.1:2113?tlss=true`],
    ['an option without a value', `esdb://admin:${password}@127.0.0.1:2113?tls`],
    ['certificates unverified', `esdb://admin:${password}@127.0.0.1:2113?tlsVerifyCert=false`],
    ['no port number', `esdb://admin:${password}@127.0.0.1:port?tls=false`],
    ['a certificate file that is not there', `esdb://admin:${password}@127.0.0.1:2113?tlsCAFile=/nowhere/ca.crt`],
  ]
  test.each(wrong)('with %s is refused, and its password is told nobody', async (_, url) => {
    expect(await refusal(url)).toBeInstanceOf(Unacceptable)
  })
})

describe.skipIf(eventStoreDbUrl === undefined)('every scheme means the same', () => {
  const schemes = ['esdb', 'kurrentdb', 'kdb', 'esdb+discover', 'kurrentdb+discover', 'kdb+discover', 'KurrentDB']
  test.each(schemes)('%s://', async (scheme) => {
    const { identity } = await opened(eventStoreDbUrl ?? '')
    const url = (eventStoreDbUrl ?? '').replace(/^[^:]+/, scheme)
    expect(eventStoreDbSettings({ EVENTSTOREDB_URL: url })?.url).toBe(url)
    expect((await opened(url)).identity).toBe(identity)
  })
})

describe('a server that is not to be had', () => {
  test('nothing listens on that address', async () => {
    const error = await refusal(`esdb://admin:${password}@127.0.0.1:9?tls=false`)
    expect(error).toBeInstanceOf(Unavailable)
    expect(messageOf(error)).toMatch(/^EventStoreDB at 127\.0\.0\.1:9 cannot be used: nothing listens on that address/)
  })

  test('its name is not known', async () => {
    const error = await refusal(`esdb://admin:${password}@eventstore.invalid:2113?tls=false`)
    expect(messageOf(error)).toMatch(/eventstore\.invalid:2113 cannot be used: the host name is not known/)
  })

  test('no member of a cluster answers', async () => {
    const error = await refusal(`esdb://admin:${password}@127.0.0.1:9,127.0.0.1:19?tls=false&maxDiscoverAttempts=1`)
    expect(messageOf(error)).toMatch(/^EventStoreDB at 127\.0\.0\.1:9,127\.0\.0\.1:19 cannot be used: Failed to discover/)
  })

  test.skipIf(eventStoreDbUrl === undefined)('it speaks no TLS', async () => {
    const [, port] = /:(\d+)\?/.exec(eventStoreDbUrl ?? '') ?? []
    const error = await refusal(`esdb://admin:${password}@localhost:${port}?tls=true`)
    expect(messageOf(error)).toMatch(/cannot be used: TLS failed/)
  })
})

describe.skipIf(!canOwnEventStoreDb)('a log of one’s own', () => {
  test('is waited for while its server starts', async () => {
    const server = await ownServer()
    await server.kill('SIGKILL')
    const opening = opened(server.url)
    await server.start()
    const { log } = await opening
    expect((await log.append('thing-1', 'noStream', [event()])).revision).toBe(0)
  })

  test('has one identity, however many open it first, and after a restart', async () => {
    const server = await ownServer()
    const identities = (await Promise.all([1, 2, 3].map(() => opened(server.url)))).map(({ identity }) => identity)
    expect(new Set(identities).size).toBe(1)
    await server.kill('SIGKILL')
    await server.start()
    expect((await opened(server.url)).identity).toBe(identities[0])
  })
})

describe.skipIf(eventStoreDbUrl === undefined)('a position', () => {
  test('inside a record is unacceptable, wherever it is given; one beyond the head is the head', async () => {
    const { log } = await opened(eventStoreDbUrl ?? '')
    const streamPrefixes = [`placed-${newId()}`]
    const { position } = await log.append(streamPrefixes[0] ?? '', 'noStream', [event(), event()])
    const moved = (by: bigint) => {
      const commit = String(BigInt(position.slice(0, position.indexOf('-'))) + by).padStart(19, '0')
      return `${commit}-${commit}`
    }
    const signal = new AbortController().signal
    const inside = moved(-1n)
    await expect(all(log.readAll({ after: inside, backwards: true }))).rejects.toBeInstanceOf(Unacceptable)
    await expect(all(log.readAll({ after: inside }))).rejects.toBeInstanceOf(Unacceptable)
    await expect(all(log.readAll({ after: inside, filter: { streamPrefixes } }))).rejects.toBeInstanceOf(Unacceptable)
    await expect(all(log.subscribe({ after: inside, signal }))).rejects.toBeInstanceOf(Unacceptable)
    await expect(all(log.subscribe({ after: inside, signal, filter: { streamPrefixes } }))).rejects.toBeInstanceOf(Unacceptable)
    expect(await all(log.readAll({ after: moved(1_000_000_000n) }))).toEqual([])
    expect((await all(log.readAll({ after: moved(1_000_000_000n), backwards: true, limit: 1 }))).length).toBe(1)
    for await (const feed of log.subscribe({ after: moved(1_000_000_000n), signal })) {
      expect(feed.kind).toBe('live')
      expect(feed.kind === 'live' && feed.position >= position).toBe(true)
      break
    }
  })
})

describe.skipIf(eventStoreDbUrl === undefined)('what is stored', () => {
  test('carries the names that the server’s own tools follow', async () => {
    const { log, client } = await opened(eventStoreDbUrl ?? '')
    const stream = `mapped-${newId()}`
    const given = { ...event(), metadata: { ...event().metadata, correlationId: 'c-9', causationId: 'k-7', traceparent: 't' } }
    await log.append(stream, 'noStream', [given, event()])
    const raw: unknown[] = []
    for await (const { event: stored } of client.readStream(stream, { maxCount: 10 })) raw.push(stored?.metadata)
    const { actor, schema } = given.metadata
    expect(raw).toEqual([
      { $correlationId: 'c-9', $causationId: 'k-7', actor, schema, traceparent: 't' },
      { $correlationId: 'c-1', actor, schema },
    ])
    expect((await all(log.readStream(stream)))[0]?.metadata).toEqual(given.metadata)
  })

  test('keeps the time at which a copied event was first recorded', async () => {
    const { log } = await opened(eventStoreDbUrl ?? '')
    const stream = `copied-${newId()}`
    const given = [1, 2].map((n) => ({ ...event(), recordedAt: `2020-01-0${n}T03:04:05.678Z` }))
    const copied = { stream, expected: 'noStream', events: given } as const
    await log.appendCopied([copied])
    await log.appendCopied([copied])
    const stored = await all(log.readStream(stream))
    expect(stored.map(({ id, metadata, recordedAt }) => ({ id, metadata, recordedAt }))).toEqual(
      given.map(({ id, metadata, recordedAt }) => ({ id, metadata, recordedAt })),
    )
  })
})
