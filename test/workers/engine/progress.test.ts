import { expect, test } from 'vitest'
import type { Clock } from '../../../src/lib/clock.ts'
import { createProgressThrottle, type RecordedProgress } from '../../../src/workers/engine/progress.ts'

/** Stands still until it is moved; timers fire on the way. */
const movedClock = (): Clock & { move(ms: number): Promise<void> } => {
  let now = 1_000_000
  let timers: { at: number; run: () => void }[] = []
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
  return {
    now: () => now,
    monotonic: () => now,
    sleep: () => Promise.reject(new Error('nobody sleeps here')),
    after: (ms, run) => {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    move: async (ms) => {
      const until = now + ms
      for (;;) {
        const next = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
        if (next === undefined) break
        now = Math.max(now, next.at)
        timers = timers.filter((other) => other !== next)
        next.run()
        await settle()
      }
      now = until
    },
  }
}

const opened = () => {
  const clock = movedClock()
  const begun = clock.now()
  const recorded: (RecordedProgress & { at: number })[] = []
  const progress = createProgressThrottle({
    clock,
    record: async (report) => {
      recorded.push({ ...report, at: clock.now() - begun })
    },
  })
  return { clock, progress, recorded }
}

test('work that ends at once leaves no record: its last report is for its outcome', async () => {
  const { clock, progress, recorded } = opened()
  progress.report({ phase: 'begin' })
  await clock.move(50)
  expect(progress.stop()).toEqual({ phase: 'begin', fraction: null, detail: null })
  await clock.move(10_000)
  expect(recorded).toEqual([])
})

test('reports are let through at most once a second, the last word wins', async () => {
  const { clock, progress, recorded } = opened()
  for (let step = 1; step <= 300; step++) {
    progress.report({ detail: `${step}` })
    await clock.move(10)
  }
  const gaps = recorded.slice(1).map(({ at }, index) => at - (recorded[index]?.at ?? 0))
  expect(recorded.length).toBe(3)
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(1000)
  await clock.move(2000)
  expect(recorded.at(-1)?.detail).toBe('300')
})

test('the longer it runs the rarer they are: never more often than a hundredth of the time', async () => {
  const { clock, progress, recorded } = opened()
  await clock.move(1_000_000)
  for (let second = 0; second < 60; second++) {
    progress.report({ fraction: second / 60 })
    await clock.move(1_000)
  }
  const [first, second] = recorded
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(10_000)
  expect(recorded.length).toBeLessThanOrEqual(7)
})

test('members that a report leaves out keep their value; fractions stay between 0 and 1', async () => {
  const { clock, progress, recorded } = opened()
  progress.report({ phase: 'fetch', fraction: 7 })
  progress.report({ detail: '1 of 2', fraction: Number.NaN })
  await clock.move(100)
  expect(recorded).toMatchObject([{ phase: 'fetch', fraction: 1, detail: '1 of 2' }])
})

test('what was recorded is not told again at the end', async () => {
  const { clock, progress } = opened()
  progress.report({ fraction: 1 })
  await clock.move(100)
  expect(progress.stop()).toBeNull()
})

test('nothing is recorded while nothing is said', async () => {
  const { clock, progress, recorded } = opened()
  progress.report({ fraction: 0.5 })
  await clock.move(60_000)
  expect(recorded).toHaveLength(1)
})
