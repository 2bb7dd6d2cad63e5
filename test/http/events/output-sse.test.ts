import { expect, onTestFinished, test } from 'vitest'
import type { Follower } from '../../../src/http/events/event-hub.ts'
import { outputSse } from '../../../src/http/events/output-sse.ts'
import type { HttpContext } from '../../../src/http/faces/http-context.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'

/** A stream without a socket, and the follower that it gave to the hub. */
const opened = async () => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  onTestFinished(() => log.close())
  const { promise: joined, resolve: join } = Promise.withResolvers<Follower>()
  const closing = new AbortController()
  let isAllowed = true
  let followers = 0
  const { body } = outputSse({ method: 'GET', traceparent: '', outgoing: undefined } as unknown as HttpContext, {
    log,
    hub: {
      position: () => '0',
      size: () => followers,
      close: () => {},
      join: async (follower) => {
        followers += 1
        join(follower)
        return () => followers--
      },
    },
    operationId: newId(),
    isAllowed: () => isAllowed,
    closing: closing.signal,
  })
  const reader = (body as ReadableStream<Uint8Array>).getReader()
  const read = async () => {
    const { value } = await reader.read()
    return value && Buffer.from(value).toString()
  }
  return { follower: await joined, read, forbid: () => (isAllowed = false), followers: () => followers, reader }
}

test('a comment comes with each beat', async () => {
  const { follower, read } = await opened()
  follower.beat?.()
  expect(await read()).toBe(':\n\n')
})

test('the stream ends when its principal would not be let in again', async () => {
  const { follower, read, forbid, followers } = await opened()
  follower.check?.()
  expect(followers()).toBe(1)
  forbid()
  follower.check?.()
  expect(await read()).toBeUndefined()
  await expect.poll(followers).toBe(0)
})

test('nobody follows for a client that has gone', async () => {
  const { reader, followers } = await opened()
  await reader.cancel()
  await expect.poll(followers).toBe(0)
})
