import { expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { RevisionConflict, Unavailable } from '../../src/lib/errors.ts'
import { whileUnavailable } from '../../src/lib/while-unavailable.ts'

const pausesOf = () => {
  const pauses: number[] = []
  return { pauses, clock: { ...systemClock, sleep: async (ms: number) => void pauses.push(ms) } }
}
const failing = (times: number, error: Error) => {
  let calls = 0
  return async () => {
    if (calls++ < times) throw error
    return calls
  }
}

test('asks again while the log is out of reach, less and less often', async () => {
  const { pauses, clock } = pausesOf()
  const told: unknown[] = []
  const error = new Unavailable('away')
  const onFailure = (failure: unknown) => void told.push(failure)
  expect(await whileUnavailable(failing(8, error), { clock, goesOn: () => true, onFailure })).toBe(9)
  expect(pauses).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000])
  expect(told).toEqual(Array(8).fill(error))
})

test('gives up once nobody wants it any longer', async () => {
  const { pauses, clock } = pausesOf()
  const goesOn = () => pauses.length < 3
  expect(await whileUnavailable(failing(9, new Unavailable('away')), { clock, goesOn })).toBeUndefined()
  expect(pauses).toHaveLength(3)
})

test('leaves other errors to the caller, unless told that they pass', async () => {
  const { clock } = pausesOf()
  const conflict = new RevisionConflict('operation-1', 3, 4)
  await expect(whileUnavailable(failing(1, conflict), { clock, goesOn: () => true })).rejects.toBe(conflict)
  const repeats = (error: unknown) => error === conflict
  expect(await whileUnavailable(failing(1, conflict), { clock, goesOn: () => true, repeats })).toBe(2)
})
