import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { dump } from '../../../src/projections/engine/view-dump.ts'
import { operations } from '../../../src/projections/operations/operations.ts'
import { moments, positionAt } from '../../../src/projections/past/moments.ts'
import { createPast, type Past, type PastOptions } from '../../../src/projections/past/past-views.ts'
import type { Projection } from '../../../src/projections/projection.ts'
import { type EventLog, origin, type Position } from '../../../src/stores/event-log.ts'
import { counts } from '../counts.ts'
import { append, event, folder, openLog, openViews, requested, silent, standingClock, started, succeeded } from '../harness.ts'

const openPast = async (
  log: EventLog,
  projections: readonly Projection[],
  { directory = folder(), ...more }: Partial<PastOptions> = {},
): Promise<{ past: Past; directory: string }> => {
  const live = await openViews(log, projections, folder())
  const past = createPast({ log, directory, projections, live, clock: systemClock, logger: silent, ...more })
  past.start()
  onTestFinished(() => past.stop())
  return { past, directory }
}

const shown = async (past: Past, position: Position, name: string) => {
  const { views, release } = await past.at(position, [name])
  const rows = dump(views(name))
  release()
  return rows
}

/** A few operations; the position of each event. */
const fill = async (log: EventLog, operationsCount: number, seen = async (_: Position) => {}): Promise<Position[]> => {
  const positions: Position[] = []
  for (let index = 0; index < operationsCount; index++)
    for (const happened of [requested(), started(), succeeded()]) {
      const position = await append(log, `0000000${index}`, happened)
      positions.push(position)
      await seen(position)
    }
  return positions
}

/** Counts how often the log is read, and from where. */
const watched = (log: EventLog): { readonly log: EventLog; readonly reads: (Position | undefined)[] } => {
  const reads: (Position | undefined)[] = []
  const readAll: EventLog['readAll'] = (options) => {
    reads.push(options?.after)
    return log.readAll(options)
  }
  return { log: { ...log, readAll }, reads }
}

test('a past view is what the live one was at that position, whatever was asked before', async () => {
  const log = await openLog()
  const live = await openViews(log, [operations])
  const then = new Map<Position, unknown>()
  const positions = await fill(log, 8, async (position) => {
    await live.reached(position)
    then.set(position, dump(live.views('operations')))
  })
  const position = fc.integer({ min: 0, max: positions.length - 1 }).map((index) => positions[index] as Position)
  await fc.assert(
    fc.asyncProperty(fc.array(position, { minLength: 1, maxLength: 6 }), async (asked) => {
      const { past } = await openPast(log, [operations])
      for (const one of asked) expect(await shown(past, one, 'operations')).toEqual(then.get(one))
    }),
    { numRuns: 15 },
  )
})

test('a build that broke off leaves nothing to the next one', async () => {
  const log = await openLog()
  const early = await log.append('thing-a', 'any', [event('Happened')])
  // More than a view gathers before it commits: the file that was begun holds the first two thousand.
  await log.append(
    'thing-a',
    'any',
    Array.from({ length: 2_500 }, () => event('Happened')),
  )
  const broken = await log.append('thing-a', 'any', [event('Poison')])
  const { past } = await openPast(log, [counts()])
  await expect(past.at(broken.position, ['counts'])).rejects.toThrow('cannot take it')
  expect(await shown(past, early.position, 'counts')).toEqual({ counts: [{ stream: 'thing-a', count: 1, version: 1 }] })
})

test('before the first event there is nothing', async () => {
  const log = await openLog()
  await fill(log, 1)
  const { past } = await openPast(log, [operations])
  expect((await shown(past, origin, 'operations')).operations).toEqual([])
})

test('marks are left while the live views pass, and a question begins at the nearest', async () => {
  const log = await openLog()
  const directory = folder()
  const { past } = await openPast(log, [counts()], { directory, markEvents: 5 })
  const positions: Position[] = []
  const marks = () => readdirSync(directory).filter((name) => name.includes('-at-'))
  while (marks().length === 0) positions.push((await log.append('thing-1', 'any', [event('Happened')])).position)
  await past.stop()
  const newest = marks().sort().at(-1)
  positions.push((await log.append('thing-1', 'any', [event('Happened')])).position)
  const { log: read, reads } = watched(log)
  const { past: again } = await openPast(log, [counts()], { directory, log: read })
  const last = positions.at(-1) as Position
  expect(await shown(again, last, 'counts')).toMatchObject({ counts: [{ count: positions.length }] })
  expect(newest).toContain(String(reads[0]))
  expect(reads[0]).not.toBe(origin)
})

test('the same question asked by many is built once', async () => {
  const log = await openLog()
  const positions = await fill(log, 3)
  const { log: read, reads } = watched(log)
  const { past } = await openPast(log, [operations], { log: read })
  const position = positions[4] as Position
  const answers = await Promise.all(Array.from({ length: 20 }, () => past.at(position, ['operations'])))
  expect(reads).toHaveLength(1)
  for (const { release } of answers) release()
})

test('who has waited for too long is told so, and the next question is answered', async () => {
  const log = await openLog()
  const positions = await fill(log, 2)
  let goOn = () => {}
  const held = new Promise<void>((resolve) => (goOn = resolve))
  const slow: EventLog = {
    ...log,
    readAll: async function* (options) {
      await held
      yield* log.readAll(options)
    },
  }
  const { past } = await openPast(log, [operations], { log: slow, buildMs: 5 })
  const position = positions[2] as Position
  await expect(past.at(position, ['operations'])).rejects.toThrow(/still being built/)
  goOn()
  await expect.poll(() => shown(past, position, 'operations').then(({ operations: rows }) => rows?.length)).toBe(1)
})

test('copies keep to their bytes; one that is read stays', async () => {
  const log = await openLog()
  const positions = await fill(log, 2)
  const unbounded = await openPast(log, [operations])
  await shown(unbounded.past, positions[0] as Position, 'operations')
  const { size } = statSync(join(unbounded.directory, `operations-v${operations.version}-at-${positions[0]}.db`))
  const { past, directory } = await openPast(log, [operations], { maxBytes: 1.5 * size })
  const first = await past.at(positions[0] as Position, ['operations'])
  await shown(past, positions[1] as Position, 'operations')
  await shown(past, positions[2] as Position, 'operations')
  expect(first.views('operations').get(`SELECT count(*) AS n FROM operations`)).toEqual({ n: 1 })
  first.release()
  await shown(past, positions[3] as Position, 'operations')
  expect(readdirSync(directory).filter((name) => name.endsWith('.db'))).toEqual([
    `operations-v${operations.version}-at-${positions[3]}.db`,
  ])
})

test('copies of an earlier run count, too', async () => {
  const log = await openLog()
  const positions = await fill(log, 2)
  const { past, directory } = await openPast(log, [operations])
  for (const position of positions.slice(0, 3)) await shown(past, position, 'operations')
  await past.stop()
  const { size } = statSync(join(directory, `operations-v${operations.version}-at-${positions[0]}.db`))
  const { past: again } = await openPast(log, [operations], { directory, maxBytes: 1.5 * size })
  await shown(again, positions[3] as Position, 'operations')
  expect(readdirSync(directory).filter((name) => name.endsWith('.db'))).toEqual([
    `operations-v${operations.version}-at-${positions[3]}.db`,
  ])
})

test('a build that failed leaves nothing for the next one', async () => {
  const log = await openLog()
  const positions: Position[] = []
  for (let index = 0; index < 6; index++)
    positions.push(
      (
        await log.append(
          'thing-1',
          'any',
          Array.from({ length: 500 }, () => event('Happened')),
        )
      ).position,
    )
  const last = positions.at(-1) as Position
  let isDamaged = true
  const damaged: EventLog = {
    ...log,
    readAll: async function* (options) {
      for await (const one of log.readAll(options)) {
        if (isDamaged && one.position === last) throw new Error('damaged')
        yield one
      }
    },
  }
  const { past, directory } = await openPast(log, [counts()], { log: damaged })
  await expect(shown(past, last, 'counts')).rejects.toThrow('damaged')
  expect(readdirSync(directory)).toEqual([])
  isDamaged = false
  expect(await shown(past, positions[0] as Position, 'counts')).toMatchObject({ counts: [{ count: 500 }] })
  expect(await shown(past, last, 'counts')).toMatchObject({ counts: [{ count: 3000 }] })
})

test('only so many builds wait', async () => {
  const log = await openLog()
  const positions = await fill(log, 2)
  const { promise: held, resolve: goOn } = Promise.withResolvers<void>()
  const slow: EventLog = {
    ...log,
    readAll: async function* (options) {
      await held
      yield* log.readAll(options)
    },
  }
  const { past } = await openPast(log, [operations], { log: slow, mostWaiting: 2 })
  const asked = positions.slice(0, 2).map((position) => shown(past, position, 'operations'))
  await expect(shown(past, positions[2] as Position, 'operations')).rejects.toThrow(/2 other moments are built first/)
  const again = shown(past, positions[1] as Position, 'operations')
  goOn()
  expect((await Promise.all([...asked, again])).map(({ operations: rows }) => rows?.length)).toEqual([1, 1, 1])
  expect((await shown(past, positions[2] as Position, 'operations')).operations).toHaveLength(1)
})

test('an instant is the place before the first event that was recorded later, however clocks step', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: -1500, max: 1500 }), { minLength: 1, maxLength: 20 }), async (steps) => {
      const clock = standingClock(1_700_000_000_000)
      const log = await openLog(clock)
      const recorded: { readonly at: number; readonly position: Position }[] = []
      for (const step of steps) {
        clock.set(clock.now() + step)
        const { position } = await log.append('thing-1', 'any', [event('Happened')])
        recorded.push({ at: clock.now(), position })
      }
      const views = await openViews(log, [moments])
      await views.reached(recorded.at(-1)?.position as Position)
      for (const at of recorded.flatMap((one) => [one.at - 1, one.at, one.at + 1])) {
        const later = recorded.findIndex((one) => one.at > at)
        const expected = later < 0 ? recorded.at(-1)?.position : (recorded[later - 1]?.position ?? origin)
        expect(await positionAt({ views: views.views('moments'), log }, at)).toBe(expected)
      }
    }),
    { numRuns: 25 },
  )
})
