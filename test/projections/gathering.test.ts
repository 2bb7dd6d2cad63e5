import { cpSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { instant } from '../../src/lib/clock.ts'
import { Unavailable } from '../../src/lib/errors.ts'
import { type Generation, openGeneration } from '../../src/projections/engine/generation.ts'
import { dump } from '../../src/projections/engine/view-dump.ts'
import { operations } from '../../src/projections/operations/operations.ts'
import type { Projection } from '../../src/projections/projection.ts'
import type { NewEvent, RecordedEvent } from '../../src/stores/event-log.ts'
import { event, folder, requested, started, succeeded } from './harness.ts'

const never = (): boolean => false
const { fold: _, ...unfolded } = operations
const views: readonly (readonly [string, Projection])[] = [
  ['folded in memory', operations],
  ['in the tables at once', unfolded],
]

/** Large enough that a few of them need new pages. */
const filling = 'x'.repeat(3000)
const said: readonly (() => NewEvent)[] = [
  () => requested({ lane: 'lane', input: { filling } }),
  () => started(),
  () => succeeded(1, { filling }),
  () => event('LaneAcquired', { operation: 'id-1' }),
  () => event('LaneReleased', { operation: 'id-1' }),
]

const history = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: said.length - 1 })), { minLength: 1, maxLength: 60 })
  .map((steps) => {
    const revisions = new Map<string, number>()
    return steps.map(([id, what], index): RecordedEvent => {
      const made = said[what]?.() as NewEvent
      const stream = made.type.startsWith('Lane') ? 'lane-lane' : `operation-id-${id}`
      const revision = (revisions.get(stream) ?? -1) + 1
      revisions.set(stream, revision)
      return { ...made, stream, revision, position: String(index + 1).padStart(16, '0'), recordedAt: instant(index) }
    })
  })

/** How many events come at once, what happens then, and whether the disk is full meanwhile. */
const script = fc.array(
  fc.record({
    length: fc.integer({ min: 1, max: 12 }),
    next: fc.constantFrom('nothing', 'settle', 'write', 'advance'),
    full: fc.integer({ min: 0, max: 3 }).map((dice) => dice === 0),
  }),
  { minLength: 1, maxLength: 40 },
)
type Script = typeof script extends fc.Arbitrary<infer Steps> ? Steps : never

const setFull = (generation: Generation, full: boolean): void => {
  const pages = full ? generation.get<{ page_count: number }>('PRAGMA page_count')?.page_count : 1_000_000
  generation.get(`PRAGMA max_page_count = ${pages}`)
}

/** As a program does: goes on where the view stands, also where a fault of the machine took it back. Answers where it was stopped for good. */
const play = (generation: Generation, events: readonly RecordedEvent[], steps: Script): { faults: number; poison?: string } => {
  let faults = 0
  const orFault = <Result>(work: () => Result): Result | undefined => {
    try {
      return work()
    } catch (error) {
      expect(error).toBeInstanceOf(Unavailable)
      faults++
      return undefined
    }
  }
  for (const { length, next, full } of [...steps, { length: events.length, next: 'write', full: false } as const]) {
    setFull(generation, full)
    const before = generation.position()
    const rest = events.filter(({ position }) => position > before).slice(0, length)
    const applied = orFault(() => generation.apply(rest, never))
    const poison =
      applied?.poison ??
      orFault(() => {
        if (next === 'settle') return generation.settle()
        if (next === 'write') return generation.write()
        if (next === 'advance') return generation.advance(generation.position(), { store: true })
        return undefined
      })
    setFull(generation, false)
    if (poison !== undefined) return { faults, poison: poison.position }
  }
  return { faults }
}

const oneByOne = (events: readonly RecordedEvent[]): Generation => {
  const reference = openGeneration(unfolded, ':memory:')
  for (const each of events) {
    expect(reference.apply([each], never)).toEqual({ done: 1, poison: undefined })
    expect(reference.write()).toBeUndefined()
  }
  return reference
}

const same = (one: Generation, other: Generation): void => {
  expect(dump(one)).toEqual(dump(other))
  for (const generation of [one, other]) generation.close()
}

describe.each(views)('what gathers in a view %s', (_name, projection) => {
  test('leaves the rows of one commit for each event, however it is cut, read, committed and interrupted by a full disk', () => {
    let faults = 0
    fc.assert(
      fc.property(history, script, (events, steps) => {
        const generation = openGeneration(projection, ':memory:')
        faults += play(generation, events, steps).faults
        expect(generation.position()).toBe(events.at(-1)?.position)
        same(generation, oneByOne(events))
      }),
      { numRuns: 100 },
    )
    expect(faults).toBeGreaterThan(0)
  })

  test.each([
    ['that it cannot read', { data: {} }],
    ['that its tables refuse', { data: { ...requested().data, priority: 'high' } }],
  ])('stands before an event %s', (_what, bad) => {
    fc.assert(
      fc.property(history, history, script, (before, after, steps) => {
        const [last] = before.slice(-1) as [RecordedEvent]
        const poison = {
          ...last,
          ...requested(),
          ...bad,
          stream: 'operation-bad',
          revision: 0,
          position: `${last.position}-poison`,
        }
        const behind = after.map((one) => ({ ...one, stream: `operation-after`, position: `9${one.position}` }))
        const generation = openGeneration(projection, ':memory:')
        expect(play(generation, [...before, poison, ...behind], steps).poison).toBe(poison.position)
        expect(generation.position()).toBe(last.position)
        same(generation, oneByOne(before))
      }),
      { numRuns: 50 },
    )
  })

  test('is taken again after a crash', () => {
    fc.assert(
      fc.property(history, script, (events, steps) => {
        const directory = folder()
        const file = join(directory, 'crashed.db')
        const crashed = openGeneration(projection, file)
        for (const [index, { length, next }] of steps.entries()) {
          const from = steps.slice(0, index).reduce((sum, step) => sum + step.length, 0)
          crashed.apply(events.slice(from, from + length), never)
          if (next === 'settle') crashed.settle()
          if (next === 'write') crashed.write()
        }
        for (const suffix of ['', '-wal']) cpSync(`${file}${suffix}`, join(directory, `left.db${suffix}`))
        crashed.close()
        const again = openGeneration(projection, join(directory, 'left.db'))
        again.apply(
          events.filter(({ position }) => position > again.position()),
          never,
        )
        again.write()
        same(again, oneByOne(events))
      }),
      { numRuns: 20 },
    )
  })

  test('is seen by its own readers at once and by others when it is committed', () => {
    const file = join(folder(), 'view.db')
    const generation = openGeneration(projection, file)
    const other = openGeneration(projection, file)
    const [, , ...some] = fc.sample(history, { numRuns: 1, seed: 1 })[0] as RecordedEvent[]
    const first = { ...(some[0] as RecordedEvent), ...requested(), stream: 'operation-first', revision: 0 }
    generation.apply([first], never)
    expect([generation.gathers(), generation.settle()]).toEqual([true, undefined])
    const ids = (of: Generation): unknown[] => of.all<{ id: string }>(`SELECT id FROM operations`).map(({ id }) => id)
    expect([ids(generation), ids(other)]).toEqual([['first'], []])
    generation.write()
    expect([ids(other), generation.gathers()]).toEqual([['first'], false])
    for (const each of [generation, other]) each.close()
  })
})
