import { describe, expect, test } from 'vitest'
import { type EventLog, type Feed, origin } from '../../src/stores/event-log.ts'
import { all, event, events, eventsOf, followed, isLive, places } from './event-log-tools.ts'

/** What every event log promises to those who follow it; a part of the contract. `opened` gives an empty log that is closed by itself. */
export const subscribeContract = (name: string, opened: () => Promise<EventLog>): void => {
  describe(`${name}: subscribe`, () => {
    test('gives the backlog, says live once, and goes on with what comes', async () => {
      const log = await opened()
      await log.append('thing-1', 'noStream', events(3))
      const feeds = await followed(log, {}, (given) => {
        if (isLive(given)) void log.append('thing-1', 2, events(2))
        return eventsOf(given).length === 5
      })
      expect(feeds.map(({ kind }) => kind)).toEqual(['event', 'event', 'event', 'live', 'event', 'event'])
      expect(feeds[3]).toEqual({ kind: 'live', position: eventsOf(feeds)[2]?.position })
    })

    test('says live at once where there is no backlog', async () => {
      const log = await opened()
      expect(await followed(log, {}, isLive)).toEqual([{ kind: 'live', position: origin }])
      const { position } = await log.append('thing-1', 'noStream', events(3))
      expect(await followed(log, { after: position }, isLive)).toEqual([{ kind: 'live', position }])
    })

    test('what is appended after the call comes after live', async () => {
      const log = await opened()
      await log.append('thing-1', 'noStream', events(2))
      const stop = new AbortController()
      const feed = log.subscribe({ signal: stop.signal })
      await log.append('thing-1', 1, events(1))
      const kinds: string[] = []
      for await (const { kind } of feed) if (kinds.push(kind) === 4) stop.abort()
      expect(kinds).toEqual(['event', 'event', 'live', 'event'])
    })

    test('goes on after a position, without hole or double, wherever one stops', async () => {
      const log = await opened()
      for (let n = 0; n < 5; n++) await log.append(`thing-${n % 2}`, 'any', events(n + 1))
      const whole = await all(log.readAll())
      for (const [index, { position }] of whole.entries())
        expect(eventsOf(await followed(log, { after: position }, isLive))).toEqual(whole.slice(index + 1))
    })

    test('tells a quiet filter how far it is', async () => {
      const log = await opened()
      await log.append('apple-1', 'noStream', events(1))
      const filter = { streamPrefixes: ['apple-'] }
      let last = ''
      const feeds = await followed(log, { filter }, (given) => {
        if (isLive(given)) void log.append('pear-1', 'noStream', events(5)).then(({ position }) => (last = position))
        const newest = given.at(-1)
        return newest?.kind === 'checkpoint' && newest.position === last
      })
      expect(eventsOf(feeds)).toHaveLength(1)
      expect(eventsOf(await followed(log, { filter, after: last }, isLive))).toEqual([])
    })

    test('filters by beginnings of types and of streams', async () => {
      const log = await opened()
      await log.append('apple-1', 'noStream', [event('AppleGrown'), event('AppleFallen')])
      await log.append('pear-1', 'noStream', [event('PearGrown')])
      const given = async (filter: { typePrefixes: string[] } | { streamPrefixes: string[] }) =>
        places(eventsOf(await followed(log, { filter }, isLive)))
      expect(await given({ typePrefixes: ['AppleF', 'Pear'] })).toEqual(['apple-1@1', 'pear-1@0'])
      expect(await given({ streamPrefixes: ['pear-'] })).toEqual(['pear-1@0'])
      expect(await given({ streamPrefixes: [] })).toEqual([])
    })

    test('many who follow at their own pace all get everything in order', async () => {
      const log = await opened()
      await log.append('thing-0', 'noStream', events(300))
      const total = 300 + 40 * 25
      const follow = async (pause: number): Promise<string[]> => {
        const stop = new AbortController()
        const seen: string[] = []
        for await (const feed of log.subscribe({ signal: stop.signal })) {
          if (feed.kind !== 'event') continue
          seen.push(feed.event.position)
          // Slow readers let others have turns between their events.
          for (let turn = 0; turn < pause; turn++) await new Promise((resolve) => setImmediate(resolve))
          if (seen.length === total) stop.abort()
        }
        return seen
      }
      const followers = [0, 0, 1, 2].map(follow)
      await Promise.all(Array.from({ length: 40 }, (_, n) => log.append(`thing-${n % 7}`, 'any', events(25))))
      const whole = (await all(log.readAll())).map(({ position }) => position)
      expect(whole).toHaveLength(total)
      for (const seen of await Promise.all(followers)) expect(seen).toEqual(whole)
    })

    test('ends with its signal: before it began, while it waits, and between events', async () => {
      const log = await opened()
      expect(await all(log.subscribe({ signal: AbortSignal.abort() }))).toEqual([])
      const stop = new AbortController()
      const given: Feed[] = []
      for await (const feed of log.subscribe({ signal: stop.signal })) {
        given.push(feed)
        // By then it waits for more.
        setImmediate(() => setImmediate(() => stop.abort()))
      }
      expect(given).toEqual([{ kind: 'live', position: origin }])
      await log.append('thing-1', 'noStream', events(10))
      expect(await followed(log, {}, (feeds) => feeds.length === 3)).toHaveLength(3)
    })
  })
}
