import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { openGeneration } from '../../../src/projections/engine/generation.ts'
import { createProjections } from '../../../src/projections/engine/projection-engine.ts'
import { dump } from '../../../src/projections/engine/view-dump.ts'
import { ViewDamaged } from '../../../src/projections/engine/view-file.ts'
import type { Projection } from '../../../src/projections/projection.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import type { EventLog, Position } from '../../../src/stores/event-log.ts'
import { counts } from '../counts.ts'
import { event, folder, openLog, openViews, silent } from '../harness.ts'

const other: Projection = { ...counts(), name: 'other', apply: (recorded, tx) => counts({ poison: '' }).apply(recorded, tx) }

const put = async (log: EventLog, count: number, { stream = 'thing-1', type = 'Happened' } = {}): Promise<Position> =>
  (
    await log.append(
      stream,
      'any',
      Array.from({ length: count }, () => event(type)),
    )
  ).position
const files = (directory: string) => readdirSync(directory).filter((name) => name.endsWith('.db'))
const count = `SELECT sum(count) AS count FROM counts`

describe('following', () => {
  test('what was there before and what comes is applied once, in order', async () => {
    const log = await openLog()
    await put(log, 3)
    const views = await openViews(log, [counts()])
    expect(views.views('counts').get(count)).toEqual({ count: 3 })
    const position = await put(log, 2)
    expect(await views.reached(position)).toBe(true)
    expect(views.views('counts').get(count)).toEqual({ count: 5 })
    expect(await views.status()).toEqual([{ name: 'counts', version: 1, position, lag: 0, state: 'live', fault: null }])
  })

  test('waiting ends with the event, and without it when the time is over', async () => {
    const log = await openLog()
    const views = await openViews(log, [counts(), other])
    expect(await views.reached('9', { timeoutMs: 5 })).toBe(false)
    const position = await put(log, 1)
    expect(await Promise.all([views.reached(position), views.reached(position, { names: ['other'] })])).toEqual([true, true])
  })

  test('events of other streams move the view on', async () => {
    const log = await openLog()
    const views = await openViews(log, [counts()])
    const position = await put(log, 1, { stream: 'else-1' })
    expect(await views.reached(position)).toBe(true)
    expect(dump(views.views('counts'))).toEqual({ counts: [] })
  })

  test('listeners hear of events when every view holds them', async () => {
    const log = await openLog()
    const views = await openViews(log, [counts(), other])
    const heard: [string, unknown, unknown][] = []
    const done = new Promise<void>((resolve) => {
      views.onApplied(() => {
        throw new Error('a listener that fails harms no one')
      })
      views.onApplied((events) => {
        for (const { type } of events) heard.push([type, views.views('counts').get(count), views.views('other').get(count)])
        if (heard.length === 2) resolve()
      })
    })
    await put(log, 2)
    await done
    expect(heard).toEqual([
      ['Happened', { count: 2 }, { count: 2 }],
      ['Happened', { count: 2 }, { count: 2 }],
    ])
  })

  test('a long backlog lets others in between', async () => {
    const log = await openLog()
    for (let round = 0; round < 20; round++) await put(log, 500)
    let turns = 0
    let running = true
    const count = () => {
      turns++
      if (running) setImmediate(count)
    }
    setImmediate(count)
    await openViews(log, [counts()])
    running = false
    expect(turns).toBeGreaterThan(5)
  })
})

describe('restart', () => {
  test('goes on at the checkpoint: nothing twice, nothing missing', async () => {
    const log = await openLog()
    const directory = folder()
    const first = await openViews(log, [counts()], directory)
    await first.reached(await put(log, 3))
    await first.stop()
    await put(log, 4)
    const second = await openViews(log, [counts()], directory)
    expect(second.views('counts').get(count)).toEqual({ count: 7 })
    expect(files(directory)).toEqual(['counts-v1-1.db'])
  })

  test('a view that saw nothing of its own keeps its place', async () => {
    const log = await openLog()
    const directory = folder()
    const first = await openViews(log, [counts()], directory)
    const position = await put(log, 3, { stream: 'else-1' })
    await first.reached(position)
    await first.stop()
    const second = createProjections({ log, directory, projections: [counts()], clock: systemClock, logger: silent })
    onTestFinished(() => second.stop())
    await second.start()
    expect((await second.status())[0]).toMatchObject({ position, lag: 0 })
  })

  test('another version is filled from the whole log and the old file goes', async () => {
    const log = await openLog()
    const directory = folder()
    const first = await openViews(log, [counts()], directory)
    await first.reached(await put(log, 3))
    await first.stop()
    const second = await openViews(log, [counts({ version: 2 })], directory)
    expect(second.views('counts').all(`SELECT * FROM counts`)).toEqual([{ stream: 'thing-1', count: 3, version: 2 }])
    expect(files(directory)).toEqual(['counts-v2-1.db'])
  })

  test('a broken file and other tables under the same version mean a new fill', async () => {
    const directory = folder()
    writeFileSync(join(directory, 'counts-v1-1.db'), 'no database at all, but long enough to be taken for one'.repeat(50))
    const log = await openLog()
    await put(log, 3)
    const first = await openViews(log, [counts()], directory)
    expect(first.views('counts').get(count)).toEqual({ count: 3 })
    await first.stop()
    const indexed = { ...counts(), schema: [...counts().schema, `CREATE INDEX by_count ON counts (count)`] }
    const second = await openViews(log, [indexed], directory)
    expect(second.views('counts').get(count)).toEqual({ count: 3 })
  })

  test('a log that went back is refused; what proves it is put aside when the loss is accepted', async () => {
    const directory = folder()
    const log = await openLog()
    const reached = await put(log, 3)
    const first = await openViews(log, [counts()], directory)
    await first.stop()
    const shorter = await openLog()
    const head = await put(shorter, 1)
    await expect(openViews(shorter, [counts()], directory)).rejects.toThrow(`has reached ${reached}, but the log ends at ${head}`)
    expect(files(directory)).toEqual(['counts-v1-1.db'])
    const options = { log: shorter, directory, projections: [counts()], clock: systemClock, logger: silent }
    const third = createProjections({ ...options, acceptLoss: true })
    onTestFinished(() => third.stop())
    await third.start()
    expect(third.views('counts').get(count)).toEqual({ count: 1 })
    expect(readdirSync(directory)).toContain(`counts-v1-1.db.ahead-of-${head}`)
  })
})

describe('rebuild', () => {
  test('the new rows equal the live ones and take their place while events go on', async () => {
    const log = await openLog()
    const directory = folder()
    for (let stream = 0; stream < 30; stream++) await put(log, 50, { stream: `thing-${stream}` })
    const views = await openViews(log, [counts(), other], directory)
    const fractions: number[] = []
    const rebuilt = views.rebuild('counts', (fraction) => fractions.push(fraction))
    expect((await views.status())[0]).toMatchObject({ state: 'rebuilding' })
    expect(views.views('counts').get(count)).toEqual({ count: 1500 })
    const position = await put(log, 700)
    await rebuilt
    expect(await views.reached(position)).toBe(true)
    expect(dump(views.views('counts'))).toEqual(dump(views.views('other')))
    expect(fractions.at(-1)).toBe(1)
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b))
    expect((await views.status())[0]).toMatchObject({ state: 'live', lag: 0 })
    expect(files(directory)).toEqual(['counts-v1-2.db', 'other-v1-1.db'])
    expect(await views.reached(await put(log, 1))).toBe(true)
    expect(dump(views.views('counts'))).toEqual(dump(views.views('other')))
  })

  test('one that was interrupted goes on after the next start', async () => {
    const log = await openLog()
    const directory = folder()
    for (let round = 0; round < 10; round++) await put(log, 500)
    const first = await openViews(log, [counts(), other], directory)
    let stopped: Promise<void> | undefined
    const rebuilt = first.rebuild('counts', () => {
      stopped ??= first.stop()
    })
    await expect(rebuilt).rejects.toThrow('stopped')
    await stopped
    expect(files(directory)).toEqual(['counts-v1-1.db', 'counts-v1-2.db', 'other-v1-1.db'])
    const second = await openViews(log, [counts(), other], directory)
    await second.rebuild('counts')
    expect(dump(second.views('counts'))).toEqual(dump(second.views('other')))
    expect(files(directory)).toEqual(['counts-v1-2.db', 'other-v1-1.db'])
  })
})

describe('a poison event', () => {
  test('stops its own view before it, says where, and keeps what was before', async () => {
    const log = await openLog()
    const views = await openViews(log, [counts(), other])
    await put(log, 2)
    const poison = await put(log, 1, { type: 'Poison' })
    const last = await put(log, 2)
    expect(await views.reached(last, { names: ['other'] })).toBe(true)
    expect(await views.reached(last, { timeoutMs: 60_000 })).toBe(false)
    expect(views.views('counts').get(count)).toEqual({ count: 2 })
    expect(views.views('other').get(count)).toEqual({ count: 5 })
    const [status] = await views.status()
    expect(status).toMatchObject({
      state: 'faulted',
      fault: { position: poison, message: expect.stringContaining('cannot take it') },
    })
    expect(status?.lag).toBe(3)
  })

  test('in the backlog does not keep the others from starting', async () => {
    const log = await openLog()
    await put(log, 1, { type: 'Poison' })
    const views = await openViews(log, [counts(), other])
    expect((await views.status()).map(({ state }) => state)).toEqual(['faulted', 'live'])
  })

  test('a rebuild tries again: it fails at the same event and succeeds with a program that takes it', async () => {
    const log = await openLog()
    const directory = folder()
    let mended = false
    const mendable: Projection = {
      ...counts(),
      apply: (recorded, tx) => counts({ poison: mended ? '' : 'Poison' }).apply(recorded, tx),
    }
    await put(log, 2)
    const poison = await put(log, 1, { type: 'Poison' })
    const views = await openViews(log, [mendable], directory)
    await expect(views.rebuild('counts')).rejects.toThrow(poison)
    expect((await views.status())[0]?.state).toBe('faulted')
    mended = true
    await views.rebuild('counts')
    expect((await views.status())[0]).toMatchObject({ state: 'live', fault: null })
    expect(views.views('counts').get(count)).toEqual({ count: 3 })
    expect(await views.reached(await put(log, 1))).toBe(true)
    expect(views.views('counts').get(count)).toEqual({ count: 4 })
  })
})

describe('a damaged file', () => {
  const damage = (directory: string): void => {
    const file = join(directory, files(directory)[0] ?? '')
    const bytes = readFileSync(file)
    for (let page = 2; page * 4096 < bytes.length; page++) bytes.fill(0, page * 4096, page * 4096 + 200)
    writeFileSync(file, bytes)
  }

  test('is found at the start, and the view is made again before it answers', async () => {
    const log = await openLog()
    for (let thing = 0; thing < 300; thing++) await put(log, 1, { stream: `thing-${thing}` })
    const directory = folder()
    await (await openViews(log, [counts()], directory)).stop()
    damage(directory)
    const views = await openViews(log, [counts()], directory)
    expect(views.views('counts').get(count)).toEqual({ count: 300 })
    expect(await views.status()).toMatchObject([{ state: 'live', fault: null }])
  })

  /** A view whose first copy tells of damage from now on. */
  const failing = async () => {
    const log = await openLog()
    const malformed = Object.assign(new Error('database disk image is malformed'), { errcode: 11 })
    let isDamaged = false
    const broken: Projection = {
      ...counts(),
      apply: (recorded, tx) => {
        if (!isDamaged) return counts().apply(recorded, tx)
        isDamaged = false
        throw malformed
      },
    }
    const directory = folder()
    const views = await openViews(log, [broken], directory)
    await views.reached(await put(log, 3))
    isDamaged = true
    return { log, directory, views }
  }

  test('found by an event is no fault of the event: readers are refused until the view is made again', async () => {
    const { log, directory, views } = await failing()
    let refused: unknown
    const looked = new Promise<void>((resolve) =>
      views.onApplied(() => {
        try {
          views.views('counts').get(count)
        } catch (error) {
          refused = error
        }
        resolve()
      }),
    )
    const position = await put(log, 1)
    await looked
    expect(refused).toBeInstanceOf(ViewDamaged)
    expect(await views.reached(position, { timeoutMs: 30_000 })).toBe(true)
    expect(views.views('counts').get(count)).toEqual({ count: 4 })
    await expect.poll(() => views.status(), { timeout: 30_000 }).toMatchObject([{ state: 'live', fault: null }])
    expect(files(directory)).toEqual(['counts-v1-2.db'])
  })
})

test('a fault of the machine interrupts a view until it has passed', async () => {
  const log = await openLog()
  let full = false
  const writing: Projection = {
    ...counts(),
    apply: (recorded, tx) => {
      if (full) throw Object.assign(new Error('database or disk is full'), { errcode: 13 })
      counts().apply(recorded, tx)
    },
  }
  let recover = () => {}
  let commit = () => {}
  const after: Clock['after'] = (ms, run) => {
    if (ms === 5000) recover = run
    else if (ms === 200) commit = run
    else return systemClock.after(ms, run)
    return () => {}
  }
  const clock = { ...systemClock, after }
  const views = await openViews(log, [writing], ':memory:', clock)
  await views.reached(await put(log, 1))
  commit()
  full = true
  const position = await put(log, 2)
  expect(await views.reached(position)).toBe(false)
  expect((await views.status())[0]).toMatchObject({ state: 'faulted', lag: 2, fault: { message: 'database or disk is full' } })
  full = false
  recover()
  expect(await views.reached(position)).toBe(true)
  expect(await views.reached(await put(log, 1))).toBe(true)
  expect(views.views('counts').get(count)).toEqual({ count: 4 })
  expect((await views.status())[0]?.fault).toBe(null)
})

test('a copy that the disk has no room for costs the view nothing', async () => {
  const log = await openLog()
  let full = false
  const writing: Projection = {
    ...counts(),
    fold: (tx) => ({
      apply: (recorded) => counts().apply(recorded, tx),
      relieve: () => {},
      write: () => {
        if (full) throw Object.assign(new Error('database or disk is full'), { errcode: 13 })
      },
      discard: () => {},
      find: () => undefined,
    }),
  }
  let recover = () => {}
  const after: Clock['after'] = (ms, run) => {
    if (ms === 5000) recover = run
    else if (ms !== 200) return systemClock.after(ms, run)
    return () => {}
  }
  const directory = folder()
  const views = await openViews(log, [writing], directory, { ...systemClock, after })
  await views.reached(await put(log, 2))
  full = true
  await expect(views.snapshot('counts', join(directory, 'copy'))).rejects.toThrow('database or disk is full')
  full = false
  recover()
  expect(await views.reached(await put(log, 1))).toBe(true)
  expect(views.views('counts').get(count)).toEqual({ count: 3 })
})

test('a program killed in the middle of a fold goes on where the last transaction ended', async () => {
  const directory = folder()
  const fill = async () => {
    const log = await openEmbeddedLog({ path: join(directory, 'log.db'), clock: systemClock })
    for (let round = 0; round < 10; round++) await put(log, 500, { stream: `thing-${round}` })
    await log.close()
  }
  await fill()
  const killed = spawnSync(process.execPath, [fileURLToPath(new URL('killed.ts', import.meta.url)), directory])
  expect(killed.signal).toBe('SIGKILL')
  const log = await openEmbeddedLog({ path: join(directory, 'log.db'), clock: systemClock })
  onTestFinished(() => log.close())
  const before = openGeneration(counts(), join(directory, 'counts-v1-1.db'))
  expect(before.position()).not.toBe('0')
  expect(before.get(count)).toEqual({ count: Number(before.position()) })
  before.close()
  const views = await openViews(log, [counts(), other], directory)
  expect(views.views('counts').get(count)).toEqual({ count: 5000 })
  expect(dump(views.views('counts'))).toEqual(dump(views.views('other')))
})

test('after a stop nobody waits', async () => {
  const log = await openLog()
  const directory = folder()
  const views = await openViews(log, [counts()], directory)
  const waiting = views.reached('9', { timeoutMs: 60_000 })
  await views.stop()
  expect(await waiting).toBe(false)
  expect(existsSync(join(directory, 'counts-v1-1.db-wal'))).toBe(false)
})
