import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DueOperation } from '../../../src/projections/operations/operation-schedule.ts'
import { createWaitingLines, type Line } from '../../../src/workers/engine/waiting-lines.ts'

const allKeys = ['a', 'b'] as const

interface Asked {
  readonly keys: readonly string[]
  readonly priority: number
}

const asked = fc.record({ keys: fc.subarray([...allKeys], { minLength: 1 }), priority: fc.integer({ min: 0, max: 1 }) })
/** Some operations are asked for, some of those that run end, or a limit is changed. */
const step = fc.oneof(
  fc.record({ ask: fc.array(asked, { minLength: 1, maxLength: 8 }) }),
  fc.record({ end: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }) }),
  fc.record({ limit: fc.constantFrom(...allKeys), concurrency: fc.integer({ min: 0, max: 5 }) }),
)

const byTurn = (one: DueOperation, other: DueOperation): number => one.priority - other.priority || one.seq - other.seq

/** Waiting operations, who runs, and limits: everything is looked through from the beginning each time. */
const createModel = () => {
  const limits = new Map<string, number>(allKeys.map((key) => [key, 1]))
  let waiting: DueOperation[] = []
  const running: DueOperation[] = []
  const keysOf = ({ limits }: DueOperation): string[] => JSON.parse(limits ?? '[]')
  const left = (key: string): number => (limits.get(key) ?? 0) - running.filter((one) => keysOf(one).includes(key)).length
  return {
    limits,
    running,
    keysOf,
    left,
    add: (one: DueOperation) => waiting.push(one),
    first: (gate: string): DueOperation[] => waiting.filter((one) => one.gate === gate).sort(byTurn),
    start: (one: DueOperation) => {
      waiting = waiting.filter(({ id }) => id !== one.id)
      running.push(one)
    },
    /** Those that are to start now. */
    next: (): DueOperation[] => {
      const taken = new Map<string, number>()
      return waiting.toSorted(byTurn).filter((one) => {
        const has = keysOf(one).every((key) => left(key) - (taken.get(key) ?? 0) > 0)
        if (has) for (const key of keysOf(one)) taken.set(key, (taken.get(key) ?? 0) + 1)
        return has
      })
    },
  }
}

test('who starts next is who would be found by looking through everybody', () =>
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 6 }), (steps, most) => {
      const model = createModel()
      const lines = createWaitingLines()
      let seq = 0

      /** As the gate does it: lines whose first one is unknown are looked up, until nobody can start. */
      const serve = (moving: Set<Line>, freed: Set<string>): void => {
        while (moving.size > 0 || freed.size > 0) {
          for (const line of moving) {
            const all = model.first(line.gate ?? '')
            line.next = all.slice(0, 2)
            line.goesOn = all.length > 2
          }
          const expected = model.next().slice(0, most)
          const known = [...moving].filter(({ next }) => next.length > 0)
          const given = { moving: known, freed: [...freed], left: model.left, mayStart: () => true, most }
          moving.clear()
          freed.clear()
          const { operations, unfinished } = lines.serve(given)
          // Fewer where it was not known who comes next.
          expect(operations.map(({ id }) => id)).toEqual(expected.slice(0, operations.length).map(({ id }) => id))
          if (expected.length > 0) expect(operations.length).toBeGreaterThan(0)
          for (const one of operations) model.start(one)
          for (const line of unfinished) {
            if (line.behind !== null) freed.add(line.behind)
            else if (line.goesOn || line.next.length > 0) moving.add(line)
            else lines.close(line)
          }
        }
        expect(model.next()).toEqual([])
      }

      const ask = ({ keys, priority }: Asked): Line => {
        const limits = JSON.stringify(keys)
        const one: DueOperation = {
          ...{ id: String(seq), kind: 'probe', lane: null, priority, limits, admission: null, gate: limits },
          ...{ state: 'pending', attempt: 0, since: 0, seq: seq++ },
        }
        model.add(one)
        return lines.get(limits) ?? lines.open({ id: limits, gate: limits }, undefined, limits)
      }

      for (const one of steps) {
        if ('ask' in one) serve(new Set(one.ask.map(ask)), new Set())
        else if ('end' in one) {
          const freed = new Set<string>()
          for (const n of one.end)
            if (model.running.length > 0)
              for (const ended of model.running.splice(n % model.running.length, 1))
                for (const key of model.keysOf(ended)) freed.add(key)
          serve(new Set(), freed)
        } else {
          model.limits.set(one.limit, one.concurrency)
          serve(new Set(), new Set([one.limit]))
        }
      }
    }),
    { numRuns: 500 },
  ))

test('of ten thousand lines behind one limit, one place costs one look at the others', () => {
  const lines = createWaitingLines()
  const many = 10_000
  const moving = Array.from({ length: many }, (_, seq) => {
    const limits = JSON.stringify(['all', `one ${seq}`])
    const first: DueOperation = {
      ...{ id: String(seq), kind: 'probe', lane: null, priority: 100, limits, admission: null, gate: limits },
      ...{ state: 'pending', attempt: 0, since: 0, seq },
    }
    return lines.open({ id: limits, gate: limits }, first, limits)
  })
  let asked = 0
  const left = (key: string): number => {
    asked += 1
    return key === 'all' ? 1 : Number.POSITIVE_INFINITY
  }
  const options = { left, mayStart: () => true, most: 200 }
  expect(lines.serve({ ...options, moving, freed: [] }).operations).toHaveLength(1)
  asked = 0
  const { operations } = lines.serve({ ...options, moving: [], freed: ['all'] })
  expect(operations.map(({ id }) => id)).toEqual(['1'])
  expect(asked).toBe(2)
})
