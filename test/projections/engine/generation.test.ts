import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Unavailable } from '../../../src/lib/errors.ts'
import { openGeneration } from '../../../src/projections/engine/generation.ts'
import { union } from '../../../src/stores/event-filter.ts'
import type { RecordedEvent } from '../../../src/stores/event-log.ts'
import { counts } from '../counts.ts'
import { event, folder } from '../harness.ts'

const place = (index: number): string => String(index).padStart(4, '0')
const events = (...types: string[]): RecordedEvent[] =>
  types.map((type, index) => ({
    ...event(type),
    stream: 'thing-1',
    revision: index,
    position: place(index + 1),
    recordedAt: '2026-11-21T05:00:00.000Z',
  }))
const never = () => false
const count = `SELECT count FROM counts`

describe('rows and checkpoint', () => {
  test('commit together, and not at all where a transaction fails', () => {
    const file = join(folder(), 'a.db')
    let full = false
    const projection = counts()
    const failing = {
      ...projection,
      apply: (...[recorded, tx]: Parameters<typeof projection.apply>) => {
        projection.apply(recorded, tx)
        if (full && recorded.revision === 1) throw Object.assign(new Error('disk full'), { errcode: 13 })
      },
    }
    const first = openGeneration(failing, file)
    first.apply(events('A'), never)
    first.write()
    full = true
    expect(() => first.apply(events('A', 'B', 'C').slice(1), never)).toThrow(Unavailable)
    expect([first.position(), first.get(count)]).toEqual([place(1), { count: 1 }])
    full = false
    expect(first.apply(events('A', 'B', 'C').slice(1), never)).toEqual({ done: 2 })
    first.write()
    first.close()
    const second = openGeneration(projection, file)
    expect([second.position(), second.get(count), second.complete()]).toEqual([place(3), { count: 3 }, false])
    second.close()
  })

  test('a poison event keeps what was before it', () => {
    const generation = openGeneration(counts(), ':memory:')
    expect(generation.apply(events('A', 'B', 'Poison', 'C'), never)).toEqual({
      done: 2,
      poison: { position: place(3), message: 'Poison in thing-1 at revision 2: cannot take it' },
    })
    expect([generation.position(), generation.get(count)]).toEqual([place(2), { count: 2 }])
    generation.close()
  })

  test('a slice ends where the caller has had enough, never without an event', () => {
    const generation = openGeneration(counts(), ':memory:')
    expect(generation.apply(events('A', 'B', 'C'), () => true)).toEqual({ done: 1 })
    expect(generation.position()).toBe(place(1))
    generation.close()
  })

  test('a quiet view stores its place now and then', () => {
    const file = join(folder(), 'a.db')
    const writing = openGeneration(counts(), file)
    const reading = openGeneration(counts(), file)
    const stored = () => reading.get(`SELECT position FROM _checkpoint`)
    for (let index = 1; index < 200; index++) writing.advance(place(index))
    expect([writing.position(), stored()]).toEqual([place(199), { position: '0' }])
    writing.advance(place(200))
    expect(stored()).toEqual({ position: place(200) })
    writing.advance(place(100), { store: true })
    expect(writing.position()).toBe(place(200))
    writing.close()
    reading.close()
  })
})

test('one filter for all views: everything where their filters are of both sorts', () => {
  expect(union([{ streamPrefixes: ['a-', 'b-'] }, { streamPrefixes: ['b-', 'c-'] }])).toEqual({
    streamPrefixes: ['a-', 'b-', 'c-'],
  })
  expect(union([{ typePrefixes: ['A'] }])).toEqual({ typePrefixes: ['A'] })
  expect(union([{ typePrefixes: ['A'] }, { streamPrefixes: ['a-'] }])).toBeUndefined()
})
