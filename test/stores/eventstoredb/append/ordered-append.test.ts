import { describe, expect, test } from 'vitest'
import { all, event, events } from '../../../contracts/event-log-tools.ts'
import { canOwnEventStoreDb } from '../../../engines/own.ts'
import { opened, ownServer } from '../opened.ts'

const recordedAt = '2020-01-02T03:04:05.678Z'

describe.skipIf(!canOwnEventStoreDb)('copied events of many streams', () => {
  test('stand in the log in the order in which they were given, also over a kill of the server', async () => {
    const server = await ownServer()
    const { log } = await opened(server.url)
    const streams = 40
    const appends = Array.from({ length: 1_200 }, (_, n) => {
      const [stream, round] = [`thing-${n % streams}`, Math.floor(n / streams)]
      // Large ones have a call of their own, and must not be overtaken by those behind them.
      const given = n % 301 === 300 ? [event('Large', { n, text: 'x'.repeat(300_000) })] : events(1)
      const expected = round === 0 ? ('noStream' as const) : round - 1
      return { stream, expected, events: given.map((one) => ({ ...one, recordedAt })) }
    })
    const copying = log.appendCopied(appends)
    for (const seen of [300]) {
      await expect.poll(async () => (await all(log.readAll())).length, { timeout: 60_000 }).toBeGreaterThan(seen)
      await server.kill('SIGKILL')
      await server.start()
    }
    await copying
    const ids = (await all(log.readAll())).map(({ id }) => id)
    expect(ids).toEqual(appends.flatMap(({ events: given }) => given.map(({ id }) => id)))
    // Done twice it is done once.
    await log.appendCopied(appends)
    expect((await all(log.readAll())).length).toBe(ids.length)
  })
})
