import { expect, test } from 'vitest'
import type { Executor } from '../../../src/commands/execute.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { Unavailable } from '../../../src/lib/errors.ts'
import { createProgress } from '../../../src/workers/webhooks/progress.ts'

test('what cannot be stored is tried again until it is given up', async () => {
  const ending = new AbortController()
  const troubles: string[] = []
  const progress = createProgress({
    webhook: { run: 'one', progressRevision: -1 },
    open: [],
    reached: () => '0',
    lanes: () => [],
    executor: { execute: () => Promise.reject(new Unavailable('the log is away')) } as unknown as Executor,
    clock: { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(1, signal) },
    signal: ending.signal,
    onTrouble: (reason) => {
      if (troubles.push(reason) === 3) ending.abort(new Error('it ends'))
    },
  })
  await expect(progress.settled({ delivered: true })).rejects.toThrow('it ends')
  expect(troubles).toEqual(Array(3).fill('the log is away'))
})
