import { expect, test } from 'vitest'
import type { Job } from '../../../src/bus/job-bus.ts'
import { createKindRoom } from '../../../src/workers/engine/kind-room.ts'

const job = (operationId: string, kind: string, priority = 100): Job => ({ operationId, kind, key: operationId, priority })

/** Takes room for a job, as the runtime does, and keeps what it was given. */
const taking = (limit: number | undefined) => {
  const room = createKindRoom()
  const held = new Map<string, () => void>()
  const take = async (asked: Job): Promise<void> => {
    const release = room.take(asked, limit, take)
    if (release !== undefined) held.set(asked.operationId, release)
  }
  return {
    take,
    running: () => [...held.keys()],
    end: (operationId: string): void => {
      const release = held.get(operationId)
      held.delete(operationId)
      release?.()
      release?.()
    },
  }
}

test('so many of a kind run, and the others when one has ended, lowest priority first', async () => {
  const { take, running, end } = taking(2)
  for (const [id, priority] of [
    ['a', 100],
    ['b', 100],
    ['c', 100],
    ['d', 1],
    ['d', 1],
  ] as const)
    await take(job(id, 'own.a', priority))
  await take(job('e', 'own.b'))
  expect(running()).toEqual(['a', 'b', 'e'])
  end('a')
  expect(running()).toEqual(['b', 'e', 'd'])
  end('b')
  expect(running()).toEqual(['e', 'd', 'c'])
  end('d')
  end('c')
  expect(running()).toEqual(['e'])
})

test('a kind without a limit takes all', async () => {
  const { take, running } = taking(undefined)
  for (const id of ['a', 'b', 'c']) await take(job(id, 'probe'))
  expect(running()).toEqual(['a', 'b', 'c'])
})

test('a job that needs no room any more holds up none of those behind it', async () => {
  const room = createKindRoom()
  const taken: string[] = []
  const again = async ({ operationId }: Job): Promise<void> => {
    if (operationId !== 'gone' && room.take(job(operationId, 'own.a'), 1, again) !== undefined) taken.push(operationId)
  }
  const leave = room.take(job('a', 'own.a'), 1, again)
  for (const id of ['gone', 'b', 'c']) room.take(job(id, 'own.a'), 1, again)
  leave?.()
  expect(taken).toEqual(['b'])
})
