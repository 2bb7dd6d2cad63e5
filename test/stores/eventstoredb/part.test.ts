import { describe, expect, test } from 'vitest'
import { event, eventsOf, followed } from '../../contracts/event-log-tools.ts'
import { canOwnEventStoreDb } from '../../engines/own.ts'
import { opened, ownServer } from './opened.ts'

describe.skipIf(!canOwnEventStoreDb)('following a part of the log', () => {
  test('filtered by the server where nobody follows the whole: all that matches, also over a kill of the server', async () => {
    const server = await ownServer()
    const { log } = await opened(server.url)
    const write = (stream: string) =>
      log.append(stream, 'noStream', [event('Noise', {}), event('ThingAsked', { stream }), event('Noise', {})])
    await write('thing-1')
    await write('key-1')
    const live = Promise.withResolvers<void>()
    const second = Promise.withResolvers<void>()
    const following = followed(log, { filter: { typePrefixes: ['ThingAsked'] }, withoutCheckpoints: true }, (feeds) => {
      if (feeds.at(-1)?.kind === 'live') live.resolve()
      if (eventsOf(feeds).length === 2) second.resolve()
      return eventsOf(feeds).length === 3
    })
    await live.promise
    await write('thing-2')
    await second.promise
    await server.kill('SIGKILL')
    await server.start()
    await write('key-2')
    await write('thing-3')
    expect(eventsOf(await following).map(({ stream, type, revision }) => `${stream} ${type} ${revision}`)).toEqual([
      'thing-1 ThingAsked 1',
      'thing-2 ThingAsked 1',
      'thing-3 ThingAsked 1',
    ])
  })
})
