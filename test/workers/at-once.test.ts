import { expect, test } from 'vitest'
import { atOnce } from '../../src/workers/at-once.ts'

/** A scheduler whose operations run until they are ended; `refused` are not to be started. */
const opened = (mostAtATime: number, refused: readonly string[] = []) => {
  const { scheduler, during } = atOnce(mostAtATime)
  const running = new Map<string, () => void>()
  const started: string[] = []
  scheduler.attach(
    async (id) => {
      if (refused.includes(id)) return false
      started.push(id)
      void during(id, () => new Promise<void>((resolve) => running.set(id, resolve)))
      return true
    },
    () => 'worker',
  )
  const end = async (id: string): Promise<void> => {
    running.get(id)?.()
    await new Promise(setImmediate)
  }
  return { wake: scheduler.wake, started, end }
}

test('those beyond the number wait for their turn, in order', async () => {
  const { wake, started, end } = opened(2)
  for (const id of ['a', 'b', 'c', 'd', 'b', 'c']) wake(id)
  expect(started).toEqual(['a', 'b'])
  await end('b')
  expect(started).toEqual(['a', 'b', 'c'])
  await end('a')
  await end('c')
  expect(started).toEqual(['a', 'b', 'c', 'd'])
})

test('one that cannot be started makes way for the next', async () => {
  const { wake, started } = opened(1, ['a', 'b'])
  for (const id of ['a', 'b', 'c']) wake(id)
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  expect(started).toEqual(['c'])
})
