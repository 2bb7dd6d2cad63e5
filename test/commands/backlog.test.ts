import { expect, test } from 'vitest'
import { createBacklog } from '../../src/commands/backlog.ts'
import { systemClock } from '../../src/lib/clock.ts'

const start = () => {
  let now = 0
  const backlog = createBacklog({ ...systemClock, monotonic: () => now })
  return {
    backlog,
    wait: (ms: number) => {
      now += ms
    },
  }
}

const begin = (count: number, backlog: ReturnType<typeof createBacklog>) => {
  const settle: (() => void)[] = []
  const commands = Array.from({ length: count }, () => backlog.during(new Promise<void>((resolve) => settle.push(resolve))))
  return { settle, commands }
}

test('64 commands of which the oldest waits for a second are a long backlog', async () => {
  const { backlog, wait } = start()
  const { settle, commands } = begin(64, backlog)
  wait(999)
  expect(backlog.isLong()).toBe(false)
  wait(1)
  expect(backlog.isLong()).toBe(true)
  settle[0]?.()
  await commands[0]
  expect(backlog.isLong()).toBe(false)
})

test('many quick commands are none, nor are few slow ones', async () => {
  const { backlog, wait } = start()
  const { settle, commands } = begin(1_000, backlog)
  wait(500)
  expect(backlog.isLong()).toBe(false)
  for (const one of settle) one()
  await Promise.all(commands)
  begin(63, backlog)
  wait(60_000)
  expect(backlog.isLong()).toBe(false)
})

test('a failed command no longer waits', async () => {
  const { backlog, wait } = start()
  begin(63, backlog)
  const failed = backlog.during(Promise.reject(new Error('refused')))
  wait(2_000)
  await expect(failed).rejects.toThrow('refused')
  expect(backlog.isLong()).toBe(false)
})
