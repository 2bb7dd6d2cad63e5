import { afterEach, describe, expect, test } from 'vitest'
import { RevisionConflict, Unacceptable, Unavailable } from '../../src/lib/errors.ts'
import { type EventLog, type Expected, type NewEvent, origin } from '../../src/stores/event-log.ts'
import { subscribeContract } from './event-log-subscribe.ts'
import { all, event, events, eventsOf, followed, isLive, metadata, places } from './event-log-tools.ts'

/** What every event log promises. `open` makes an empty one; the suite closes it. */
export const eventLogContract = (name: string, open: () => Promise<EventLog>): void => {
  const logs: EventLog[] = []
  afterEach(async () => {
    for (const log of logs.splice(0)) await log.close()
  })
  const opened = async (): Promise<EventLog> => {
    const log = await open()
    logs.push(log)
    return log
  }
  const conflict = async (append: Promise<unknown>): Promise<unknown> => {
    const error = await append.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(RevisionConflict)
    const { stream, expected, actual } = error as RevisionConflict
    return { stream, expected, actual }
  }

  describe(`${name}: append`, () => {
    test('what was appended is read as it was given, with its place', async () => {
      const log = await opened()
      const given = event('ThingHappened', {
        text: 'ä\ud83d\ude00\u0000',
        nested: { list: [1, null, { deep: true }], gone: undefined },
      })
      const appended = await log.append('thing-1', 'noStream', [given])
      const [recorded] = await all(log.readStream('thing-1'))
      expect(recorded).toEqual({
        ...given,
        stream: 'thing-1',
        revision: 0,
        position: appended.position,
        recordedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      })
      expect(appended.revision).toBe(0)
      expect(await log.head()).toBe(appended.position)
      expect(await all(log.readAll())).toEqual([recorded])
      expect(eventsOf(await followed(log, {}, isLive))).toEqual([recorded])
    })

    test('positions sort as text in the order of the commits, after the origin', async () => {
      const log = await opened()
      expect(await log.head()).toBe(origin)
      const positions: string[] = []
      for (let n = 0; n < 12; n++) positions.push((await log.append(`thing-${n % 3}`, 'any', events(n % 4 || 1))).position)
      expect([...positions].sort()).toEqual(positions)
      expect(new Set(positions).size).toBe(12)
      expect(positions.every((position) => position > origin)).toBe(true)
    })

    test('the four expectations hold or are refused with both revisions', async () => {
      const log = await opened()
      const append = (expected: Expected) => log.append('thing-1', expected, [event()])
      expect(await conflict(append('streamExists'))).toEqual({ stream: 'thing-1', expected: 'streamExists', actual: -1 })
      expect(await conflict(append(0))).toEqual({ stream: 'thing-1', expected: 0, actual: -1 })
      expect((await append('noStream')).revision).toBe(0)
      expect(await conflict(append('noStream'))).toEqual({ stream: 'thing-1', expected: 'noStream', actual: 0 })
      expect((await append('streamExists')).revision).toBe(1)
      expect((await append('any')).revision).toBe(2)
      expect((await append(2)).revision).toBe(3)
      expect(await conflict(append(2))).toEqual({ stream: 'thing-1', expected: 2, actual: 3 })
      expect(await conflict(append(4))).toEqual({ stream: 'thing-1', expected: 4, actual: 3 })
      expect((await log.append('thing-2', 'any', [event()])).revision).toBe(0)
    })

    test('all events of an append are recorded, or none', async () => {
      const log = await opened()
      expect((await log.append('thing-1', 'noStream', events(3))).revision).toBe(2)
      await conflict(log.append('thing-1', 1, events(3)))
      expect(places(await all(log.readAll()))).toEqual(['thing-1@0', 'thing-1@1', 'thing-1@2'])
    })

    test('of many who expect the same revision one is right, and the others learn what is', async () => {
      const log = await opened()
      const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => log.append('thing-1', 'noStream', [event()])))
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ name: 'RevisionConflict', actual: 0 })
    })

    test('whoever is refused finds with the next read what refuted them', async () => {
      const log = await opened()
      const outcomes = Array.from({ length: 20 }, async (_, n) => {
        const stream = `thing-${n % 4}`
        const refused = await log.append(stream, 'noStream', events(2)).then(
          () => undefined,
          (error: unknown) => error,
        )
        if (refused === undefined) return 'recorded'
        const [last] = await all(log.readStream(stream, { from: 'end', backwards: true, limit: 1 }))
        expect(refused).toMatchObject({ name: 'RevisionConflict', actual: last?.revision })
        return 'refused'
      })
      expect((await Promise.all(outcomes)).filter((outcome) => outcome === 'recorded')).toHaveLength(4)
    })

    test('a conflict spoils nothing that is appended at the same moment', async () => {
      const log = await opened()
      await log.append('thing-1', 'noStream', [event()])
      const [before, refused, after] = await Promise.allSettled([
        log.append('thing-2', 'noStream', events(2)),
        log.append('thing-1', 'noStream', events(2)),
        log.append('thing-1', 0, events(2)),
      ])
      expect([before?.status, refused?.status, after?.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      expect(places(await all(log.readAll()))).toEqual(['thing-1@0', 'thing-2@0', 'thing-2@1', 'thing-1@1', 'thing-1@2'])
    })

    test('the same append again is the same success and records nothing', async () => {
      const log = await opened()
      const given = { noStream: events(2), revision: events(2), any: events(2), streamExists: events(1) }
      const append = async () => [
        await log.append('thing-1', 'noStream', given.noStream),
        await log.append('thing-1', 1, given.revision),
        await log.append('thing-1', 'any', given.any),
        await log.append('thing-1', 'streamExists', given.streamExists),
      ]
      const first = await append()
      const head = await log.head()
      expect(await append()).toEqual(first)
      expect(await append()).toEqual(first)
      expect(await log.head()).toBe(head)
      expect(await all(log.readStream('thing-1'))).toHaveLength(7)
    })

    test('a repetition with an expected revision is known however much came after it', async () => {
      const log = await opened()
      const [first, second] = [events(2), events(3)]
      const created = await log.append('thing-1', 'noStream', first)
      const grown = await log.append('thing-1', 1, second)
      for (let n = 0; n < 10; n++) await log.append('thing-1', 'any', events(100))
      expect(await log.append('thing-1', 'noStream', first)).toEqual(created)
      expect(await log.append('thing-1', 1, second)).toEqual(grown)
    })

    test('ids that only begin alike are no repetition', async () => {
      const log = await opened()
      const [one, two, three] = [event(), event(), event()]
      await log.append('thing-1', 'noStream', [one, two])
      await conflict(log.append('thing-1', 'noStream', [one, three]))
      await conflict(log.append('thing-1', 'noStream', [one, two, three]))
      await conflict(log.append('thing-1', 'noStream', [two]))
      await conflict(log.append('thing-2', 0, [one]))
      expect(await all(log.readAll())).toHaveLength(2)
    })

    test('a repetition that meets its original on the way counts once', async () => {
      const log = await opened()
      const given = events(2)
      const outcomes = await Promise.all(Array.from({ length: 5 }, () => log.append('thing-1', 'noStream', given)))
      expect(new Set(outcomes.map(({ position }) => position)).size).toBe(1)
      expect(await all(log.readStream('thing-1'))).toHaveLength(2)
    })

    const circular: Record<string, unknown> = {}
    circular.self = circular
    const twice = event()
    const impossible: [what: string, stream: string, expected: Expected, given: NewEvent[]][] = [
      ['no event', 'thing-1', 'any', []],
      ['more than 1 MiB of data', 'thing-1', 'any', [event('Large', { text: 'x'.repeat(1024 * 1024) })]],
      ['more than 1 MiB in sum', 'thing-1', 'any', [1, 2, 3].map(() => event('Large', { text: 'ä'.repeat(200_000) }))],
      ['data with a circle', 'thing-1', 'any', [event('Circular', circular as never)]],
      ['data with a bigint', 'thing-1', 'any', [event('Big', { n: 1n } as never)]],
      ['data that is no object', 'thing-1', 'any', [event('List', [] as never)]],
      ['no data', 'thing-1', 'any', [{ id: event().id, type: 'None', metadata } as never]],
      ['an id that is no UUID', 'thing-1', 'any', [{ ...event(), id: 'one' }]],
      ['an id in upper case', 'thing-1', 'any', [{ ...event(), id: event().id.toUpperCase() }]],
      ['the id that is none', 'thing-1', 'any', [{ ...event(), id: '00000000-0000-0000-0000-000000000000' }]],
      ['one id twice', 'thing-1', 'any', [twice, twice]],
      ['no type', 'thing-1', 'any', [event('')]],
      ['no stream', '', 'any', [event()]],
      ['a stream of the log server', '$thing-1', 'any', [event()]],
      ['a type of the log server', 'thing-1', 'any', [event('$ThingHappened')]],
      ['half a character', 'thing-\ud800', 'any', [event()]],
      ['a negative revision', 'thing-1', -1, [event()]],
      ['half a revision', 'thing-1', 0.5, [event()]],
    ]
    test.each(impossible)('%s is unacceptable, and nothing of it is recorded', async (_, stream, expected, given) => {
      const log = await opened()
      await expect(log.append(stream, expected, given)).rejects.toBeInstanceOf(Unacceptable)
      expect(await log.head()).toBe(origin)
      expect((await log.append('thing-1', 'noStream', [event()])).revision).toBe(0)
    })

    test('just under 1 MiB of data is accepted and read again', async () => {
      const log = await opened()
      const text = 'x'.repeat(1024 * 1024 - 100)
      await log.append('thing-1', 'noStream', [event('Large', { text })])
      expect((await all(log.readAll()))[0]?.data).toEqual({ text })
    })

    test('what the caller changes afterwards changes nothing that is recorded', async () => {
      const log = await opened()
      const data = { n: 1 }
      const appended = log.append('thing-1', 'noStream', [event('Counted', data)])
      data.n = 2
      await appended
      expect((await all(log.readStream('thing-1')))[0]?.data).toEqual({ n: 1 })
      expect(eventsOf(await followed(log, {}, isLive))[0]?.data).toEqual({ n: 1 })
    })
  })

  describe(`${name}: read`, () => {
    test('a stream from either end, from a revision, within a limit', async () => {
      const log = await opened()
      await log.append('thing-1', 'noStream', events(5))
      await log.append('thing-2', 'noStream', events(1))
      const revisions = async (options: Parameters<EventLog['readStream']>[1]) =>
        (await all(log.readStream('thing-1', options))).map(({ revision }) => revision)
      expect(await revisions({})).toEqual([0, 1, 2, 3, 4])
      expect(await revisions({ from: 'start', limit: 2 })).toEqual([0, 1])
      expect(await revisions({ from: 3 })).toEqual([3, 4])
      expect(await revisions({ from: 9 })).toEqual([])
      expect(await revisions({ from: 'end' })).toEqual([])
      expect(await revisions({ backwards: true })).toEqual([4, 3, 2, 1, 0])
      expect(await revisions({ backwards: true, from: 'end', limit: 1 })).toEqual([4])
      expect(await revisions({ backwards: true, from: 2, limit: 2 })).toEqual([2, 1])
      expect(await revisions({ backwards: true, from: 0 })).toEqual([0])
      expect(await revisions({ limit: 0 })).toEqual([])
      expect(await all(log.readStream('thing-3'))).toEqual([])
    })

    test('long streams are complete in both directions', async () => {
      const log = await opened()
      for (let n = 0; n < 7; n++) await log.append('thing-1', 'any', events(100))
      const forwards = (await all(log.readStream('thing-1'))).map(({ revision }) => revision)
      expect(forwards).toEqual(Array.from({ length: 700 }, (_, n) => n))
      expect((await all(log.readStream('thing-1', { backwards: true }))).map(({ revision }) => revision)).toEqual(
        forwards.reverse(),
      )
      expect(await all(log.readAll())).toHaveLength(700)
      expect(await all(log.readAll({ backwards: true }))).toHaveLength(700)
    })

    test('the log after and before a position, filtered, within a limit', async () => {
      const log = await opened()
      const first = await log.append('apple-1', 'noStream', [event('AppleGrown'), event('AppleFallen')])
      await log.append('pear-1', 'noStream', [event('PearGrown')])
      const third = await log.append('apple-2', 'noStream', [event('AppleGrown')])
      const read = async (options: Parameters<EventLog['readAll']>[0]) => places(await all(log.readAll(options)))
      expect(await read({})).toEqual(['apple-1@0', 'apple-1@1', 'pear-1@0', 'apple-2@0'])
      expect(await read({ after: origin, limit: 2 })).toEqual(['apple-1@0', 'apple-1@1'])
      expect(await read({ after: first.position })).toEqual(['pear-1@0', 'apple-2@0'])
      expect(await read({ after: third.position })).toEqual([])
      expect(await read({ backwards: true })).toEqual(['apple-2@0', 'pear-1@0', 'apple-1@1', 'apple-1@0'])
      expect(await read({ backwards: true, after: third.position, limit: 2 })).toEqual(['pear-1@0', 'apple-1@1'])
      expect(await read({ backwards: true, after: origin })).toEqual([])
      expect(await read({ filter: { streamPrefixes: ['apple-'] } })).toEqual(['apple-1@0', 'apple-1@1', 'apple-2@0'])
      expect(await read({ filter: { streamPrefixes: ['apple-2', 'pear'] } })).toEqual(['pear-1@0', 'apple-2@0'])
      expect(await read({ filter: { typePrefixes: ['AppleG', 'PearG'] }, backwards: true, limit: 2 })).toEqual([
        'apple-2@0',
        'pear-1@0',
      ])
      expect(await read({ filter: { typePrefixes: ['Cherry'] } })).toEqual([])
      expect(await read({ filter: { streamPrefixes: ['app%', 'APPLE', '_pple'] } })).toEqual([])
      expect(await read({ filter: { typePrefixes: [] } })).toEqual([])
    })

    test('a read of everything ends although events go on arriving', async () => {
      const log = await opened()
      await log.append('thing-1', 'noStream', events(400))
      let read = 0
      for await (const _ of log.readAll()) {
        read += 1
        if (read % 50 === 0) await log.append('thing-2', 'any', events(60))
      }
      expect(read).toBe(400)
    })

    test('a text that is no position is unacceptable', async () => {
      const log = await opened()
      await expect(all(log.readAll({ after: 'nowhere' }))).rejects.toBeInstanceOf(Unacceptable)
      await expect(all(log.readAll({ after: 'nowhere', backwards: true }))).rejects.toBeInstanceOf(Unacceptable)
      await expect(followed(log, { after: '-1' }, isLive)).rejects.toBeInstanceOf(Unacceptable)
    })
  })

  subscribeContract(name, opened)

  describe(`${name}: key streams`, () => {
    test('are read by name and shown nowhere else, and whoever follows gets past them', async () => {
      const log = await opened()
      await log.append('thing-1', 'noStream', events(1))
      const { position } = await log.append('key-operation-1', 'noStream', events(1, 'KeyCreated'))
      expect(places(await all(log.readStream('key-operation-1')))).toEqual(['key-operation-1@0'])
      expect(places(await all(log.readAll()))).toEqual(['thing-1@0'])
      expect(places(await all(log.readAll({ backwards: true })))).toEqual(['thing-1@0'])
      expect(await all(log.readAll({ filter: { streamPrefixes: ['key-'] } }))).toEqual([])
      expect(await all(log.readAll({ filter: { typePrefixes: ['Key'] } }))).toEqual([])
      const feeds = await followed(log, {}, isLive)
      expect(places(eventsOf(feeds))).toEqual(['thing-1@0'])
      expect(feeds.at(-1)).toEqual({ kind: 'live', position })
      const later = await followed(log, { after: position }, (given) => {
        if (isLive(given)) void log.append('key-operation-2', 'noStream', events(1, 'KeyCreated'))
        return given.at(-1)?.kind === 'checkpoint'
      })
      expect(later.at(-1)).toEqual({ kind: 'checkpoint', position: await log.head() })
    })

    test('a forgotten one is gone, the order of the log is not', async () => {
      const log = await opened()
      await log.append('thing-1', 'noStream', events(1))
      await log.append('key-a', 'noStream', events(2, 'KeyCreated'))
      const head = await log.head()
      await log.forget('key-a')
      await log.forget('key-a')
      await log.forget('key-never-there')
      expect(await all(log.readStream('key-a'))).toEqual([])
      expect(await log.head()).toBe(head)
      const next = await log.append('thing-1', 0, events(1))
      expect(next.position > head).toBe(true)
      await log.append('key-a', 'noStream', events(1, 'KeyCreated'))
      expect(await all(log.readStream('key-a'))).toHaveLength(1)
    })

    test('no other stream can be forgotten', async () => {
      const log = await opened()
      await log.append('thing-1', 'noStream', events(1))
      await expect(log.forget('thing-1')).rejects.toBeInstanceOf(Unacceptable)
      expect(await all(log.readStream('thing-1'))).toHaveLength(1)
    })
  })

  describe(`${name}: close`, () => {
    test('appends under way have their answer, later ones are refused, followers end', async () => {
      const log = await opened()
      const following = all(log.subscribe({ signal: new AbortController().signal }))
      const pending = Promise.all(Array.from({ length: 50 }, (_, n) => log.append(`thing-${n}`, 'noStream', events(1))))
      const closed = log.close()
      await expect(log.append('thing-late', 'noStream', events(1))).rejects.toBeInstanceOf(Unavailable)
      expect(await pending).toHaveLength(50)
      await closed
      await log.close()
      await following
      await expect(log.append('thing-1', 'any', events(1))).rejects.toBeInstanceOf(Unavailable)
      await expect(all(log.readAll())).rejects.toBeInstanceOf(Unavailable)
      await expect(all(log.readStream('thing-1'))).rejects.toBeInstanceOf(Unavailable)
    })
  })
}
