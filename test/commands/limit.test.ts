import { test } from 'vitest'
import { limit } from '../../src/commands/limit.ts'
import type { LimitEvent, Rate } from '../../src/events/limit.ts'
import { given } from '../given.ts'

const rate = { count: 3, perMs: 1000 }
const wasSet = (concurrency: number | null, rate: Rate | null = null): LimitEvent => ({
  type: 'LimitSet',
  data: { concurrency, rate },
})
const removed: LimitEvent = { type: 'LimitRemoved', data: {} }
const set = (concurrency: number | null, rate: Rate | null = null) => ({ type: 'SetLimit', key: 'k', concurrency, rate }) as const
const remove = { type: 'RemoveLimit', key: 'k' } as const

test('a limit is set', () =>
  given(limit)
    .when(set(2))
    .then([wasSet(2)]))
test('a limit is replaced as a whole', () =>
  given(limit, [wasSet(2)])
    .when(set(null, rate))
    .then([wasSet(null, rate)]))
test('the same limit again is no change', () => {
  given(limit, [wasSet(2, rate)])
    .when(set(2, { ...rate }))
    .then([])
  given(limit, [wasSet(0)])
    .when(set(0))
    .then([])
})
test('another rate is a change', () =>
  given(limit, [wasSet(2, rate)])
    .when(set(2, { ...rate, perMs: 999 }))
    .then([wasSet(2, { ...rate, perMs: 999 })]))
test('a limit is removed once', () => {
  given(limit, [wasSet(2)])
    .when(remove)
    .then([removed])
  for (const history of [[], [wasSet(2), removed]])
    given(limit, history)
      .when(remove)
      .then({ refused: { reason: 'unknown-limit' } })
})
test('a removed limit is set anew, to what it was too', () =>
  given(limit, [wasSet(2), removed])
    .when(set(2))
    .then([wasSet(2)]))
