import { expect, test } from 'vitest'
import { Unavailable } from '../../../src/lib/errors.ts'
import { StoredEvent } from '../../../src/stores/embedded/stored-event.ts'

const texts = { id: 'i', type: 'ThingNamed', data: '{"name":"a"}', metadata: '{"correlationId":"c","actor":{"principal":"p"}}' }
const at = { stream: 'thing-1', revision: 3, position: '0000000000000007', recordedAt: '2026-01-02T03:04:05.678Z' }
const metadata = { correlationId: 'c', actor: { principal: 'p' } }
const plain = { id: 'i', type: 'ThingNamed', data: { name: 'a' }, metadata, ...at }

test('an event from the disk is compared, copied and written like any other', () => {
  const event = new StoredEvent(texts, at)
  expect(event).toEqual(plain)
  expect({ ...event }).toStrictEqual(plain)
  expect(JSON.parse(JSON.stringify(event))).toStrictEqual(plain)
  expect(structuredClone(event)).toStrictEqual(plain)
  expect(Object.keys(event).sort()).toEqual(Object.keys(plain).sort())
})

test('its metadata is parsed when it is asked for, once, and damage is found then', () => {
  const event = new StoredEvent(texts, at)
  expect(event.metadata).toBe(event.metadata)
  const broken = new StoredEvent({ ...texts, metadata: 'no JSON' }, at)
  expect(broken.data).toEqual({ name: 'a' })
  expect(() => broken.metadata).toThrow(Unavailable)
})
