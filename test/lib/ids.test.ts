import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { derivedId, eventId, isUuid, newId } from '../../src/lib/ids.ts'

test('new ids are UUIDs of version 7, sort in the order of their making and are never the same', () => {
  const before = Date.now()
  const ids = Array.from({ length: 50_000 }, newId)
  expect(ids.every((id) => isUuid(id) && /^.{14}7.{4}[89ab]/.test(id))).toBe(true)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.toSorted()).toEqual(ids)
  const madeAt = Number.parseInt((ids[0] as string).replace('-', '').slice(0, 12), 16)
  expect(madeAt).toBeGreaterThanOrEqual(before)
  expect(madeAt).toBeLessThanOrEqual(Date.now())
})

test('a derived id is the UUID of version 5 of its words', () => {
  const namespace = Buffer.from('6f6b7a0e5d555c3f9a433e0f4a6f7c11', 'hex')
  for (const words of [['event', 'a', 0], ['Zürich', '🦊'], ['x'.repeat(10_000)], []]) {
    const digest = createHash('sha1').update(namespace).update(words.join('\u0000')).digest().subarray(0, 16)
    digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x50, 6)
    digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8)
    const text = digest.toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5')
    expect(derivedId(...words)).toBe(text)
  }
  expect(derivedId('a', 'b')).not.toBe(derivedId('ab'))
})

test('an id that was derived once is derived for ever: logs hold them', () => {
  expect(derivedId('event', '01890a5d-ac96-774b-bcce-b302099a8057', 0)).toBe('245102c5-caa5-561a-b070-ff86b8c6f75c')
})

test('events of a command have ids of their own, the same each time, and none of them begins another chain of the same ids', () => {
  const commands = [
    newId(),
    newId(),
    derivedId('a'),
    'no uuid',
    '01890A5D-AC96-774B-BCCE-B302099A8057',
    `${newId().slice(0, 32)}ffff`,
  ]
  const ids = commands.flatMap((command) => {
    const own = [0, 1, 2, 300, 0xffff, 0x10000].map((index) => eventId(command, index))
    expect(own).toEqual([0, 1, 2, 300, 0xffff, 0x10000].map((index) => eventId(command, index)))
    const second = own.map((id) => eventId(id, 0))
    return [command, ...own, ...second, ...second.map((id) => eventId(id, 1))]
  })
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.filter((id) => !commands.includes(id)).every(isUuid)).toBe(true)
})
