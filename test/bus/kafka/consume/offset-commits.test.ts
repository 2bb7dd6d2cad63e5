import { expect, test } from 'vitest'
import { createOffsetCommits } from '../../../../src/bus/kafka/consume/offset-commits.ts'
import { type Clock, systemClock } from '../../../../src/lib/clock.ts'
import { keptLog } from '../harness.ts'

const topic = 'jobs'

/** A consumer that keeps what it was told to commit, and a clock whose one timer the test fires. */
const commits = (take: () => Promise<void> = async () => undefined) => {
  const committed: string[][] = []
  let due: (() => void) | undefined
  const clock: Clock = {
    ...systemClock,
    after: (_, run) => {
      due = run
      return () => {
        due = undefined
      }
    },
  }
  const consumer = {
    commitOffsets: async (offsets: readonly { partition: number; offset: string }[] = []) => {
      committed.push(offsets.map(({ partition, offset }) => `${partition}@${offset}`))
      await take()
    },
  }
  const { logger, lines } = keptLog('debug')
  const made = createOffsetCommits({ consumer, topic, clock, logger })
  const pass = async (): Promise<void> => {
    const run = due
    due = undefined
    run?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { ...made, committed, lines, pass, isPlanned: () => due !== undefined }
}

test('what was taken in a while is committed once, as the place of the next message', async () => {
  const { taken, committed, pass, isPlanned } = commits()
  taken(0, '4')
  taken(3, '9007199254740993')
  taken(0, '7')
  expect(committed).toEqual([])
  await pass()
  expect(committed).toEqual([['0@8', '3@9007199254740994']])
  expect(isPlanned()).toBe(false)
  taken(1, '0')
  await pass()
  expect(committed).toEqual([['0@8', '3@9007199254740994'], ['1@1']])
})

test('one commit follows the other', async () => {
  let end: () => void = () => undefined
  const { taken, committed, pass } = commits(() => new Promise((resolve) => (end = resolve)))
  taken(0, '1')
  await pass()
  taken(0, '2')
  await pass()
  expect(committed).toEqual([['0@2']])
  end()
  await pass()
  expect(committed).toEqual([['0@2'], ['0@3']])
})

test('nothing of partitions that may be others’ is committed', async () => {
  const { taken, forget, committed, pass } = commits()
  taken(0, '1')
  forget()
  await pass()
  expect(committed).toEqual([])
})

test('a commit that fails keeps nobody from the next', async () => {
  const { taken, committed, pass, lines } = commits(async () => {
    throw new Error('the group is rebalancing')
  })
  taken(0, '1')
  await pass()
  taken(0, '2')
  await pass()
  expect(committed).toEqual([['0@2'], ['0@3']])
  expect(lines.filter((line) => line.includes('rebalancing'))).toHaveLength(2)
})

test('the last ones are committed at once, and none after them', async () => {
  const { taken, close, committed, isPlanned } = commits()
  taken(2, '5')
  await close()
  expect(committed).toEqual([['2@6']])
  taken(2, '6')
  expect(isPlanned()).toBe(false)
  await close()
  expect(committed).toEqual([['2@6']])
})
