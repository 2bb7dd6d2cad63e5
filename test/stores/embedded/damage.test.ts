import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { Damaged, messageOf, Unavailable } from '../../../src/lib/errors.ts'
import { newId } from '../../../src/lib/ids.ts'
import { checkWhole } from '../../../src/stores/embedded/damage/whole-log-check.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import type { RecordedEvent } from '../../../src/stores/event-log.ts'
import { temporaryDirectory } from '../temporary.ts'

const metadata = { correlationId: 'c', actor: { principal: 'p', face: null, address: null }, schema: 1 }

/** A closed log: 600 events of 20 streams, some of them larger than a page. */
const filled = async (): Promise<string> => {
  const path = join(temporaryDirectory(), 'log.db')
  const log = await openEmbeddedLog({ path, clock })
  // Appended together they share their flushes, and stand in the order of the calls.
  const appends = Array.from({ length: 600 }, (_, n) => {
    const data = { marker: `marker-${n}-`, filling: 'x'.repeat(n % 50 === 0 ? 9_000 : 200) }
    return log.append(`thing-${n % 20}`, 'any', [{ id: newId(), type: 'Happened', data, metadata }])
  })
  await Promise.all(appends)
  await log.close()
  return path
}

const copyOf = (path: string): string => {
  const copy = join(temporaryDirectory(), 'log.db')
  copyFileSync(path, copy)
  return copy
}

const allOf = async (events: AsyncIterable<RecordedEvent>): Promise<string[]> => {
  const all: string[] = []
  for await (const event of events) all.push(JSON.stringify(event))
  return all
}

const readAll = async (path: string): Promise<string[]> => {
  const log = await openEmbeddedLog({ path, clock })
  try {
    return await allOf(log.readAll())
  } finally {
    await log.close()
  }
}

const change = (path: string, how: (bytes: Buffer) => void): void => {
  const bytes = readFileSync(path)
  how(bytes)
  writeFileSync(path, bytes)
}

test('a byte that was flipped anywhere is found, or keeps nobody from reading what was written', {
  timeout: 300_000,
}, async () => {
  const sound = await filled()
  const size = readFileSync(sound).length
  const written = await readAll(sound)
  const outcomes = { harmless: 0, found: 0 }
  await fc.assert(
    fc.asyncProperty(fc.nat(size - 1), fc.integer({ min: 1, max: 255 }), async (place, by) => {
      const path = copyOf(sound)
      change(path, (bytes) => bytes.writeUInt8((bytes[place] ?? 0) ^ by, place))
      const damages: unknown[] = []
      let read: string[] | undefined
      try {
        checkWhole(path, (damage) => damages.push(damage))
        if (damages.length === 0) read = await readAll(path)
      } catch (error) {
        // A file that cannot be opened says why.
        if (!(error instanceof Unavailable)) expect(messageOf(error)).toMatch(/malformed|not a database|no such|version|format/)
      }
      outcomes[read === undefined ? 'found' : 'harmless'] += 1
      if (read !== undefined) expect(read).toEqual(written)
    }),
    { numRuns: 100 },
  )
  expect(outcomes.found).toBeGreaterThan(20)
})

test('a changed text that is still JSON is found at the start where it is new, and later where it is old', async () => {
  const path = await filled()
  for (const [marker, position] of [
    ['marker-590-', '0000000000000591'],
    ['marker-100-', '0000000000000101'],
  ] as const) {
    const copy = copyOf(path)
    change(copy, (bytes) => bytes.write('999', bytes.indexOf(marker) + 7))
    const told = Promise.withResolvers<{ position: string; message: string }>()
    const log = await openEmbeddedLog({ path: copy, clock, onDamage: told.resolve })
    expect(await told.promise).toEqual({ position, message: 'its bytes are not those that were written' })
    await expect(log.check?.()).rejects.toThrow(`damaged at position ${position}`)
    const read = allOf(log.readAll())
    await expect(read).rejects.toBeInstanceOf(Damaged)
    await expect(read).rejects.toMatchObject({ position })
    expect(log.damageAfter?.(position)).toBeUndefined()
    const appended = await log.append('thing-new', 'noStream', [{ id: newId(), type: 'Happened', data: {}, metadata }])
    expect(await allOf(log.readAll({ after: position }))).toHaveLength(600 - Number(position) + 1)
    expect(Number(appended.position)).toBe(601)
    await log.close()
  }
})

test.each(['zeroes', 'noise'])('a page of %s is damage at a position, in the whole log and in its streams', async (what) => {
  const path = await filled()
  const db = new DatabaseSync(path)
  const page = db.prepare(`SELECT pageno FROM dbstat WHERE name = 'events' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 9`)
  let number: number
  try {
    number = Number(page.get()?.pageno)
  } finally {
    db.close()
  }
  change(path, (bytes) => bytes.fill(what === 'zeroes' ? 0 : 0xa5, (number - 1) * 4096, number * 4096))
  const damages: { position: number }[] = []
  checkWhole(path, (damage) => damages.push(damage))
  expect(damages.length).toBeGreaterThan(0)
  const log = await openEmbeddedLog({ path, clock })
  const read = allOf(log.readAll())
  await expect(read).rejects.toBeInstanceOf(Damaged)
  const { position } = (await read.catch((error: unknown) => error)) as Damaged
  expect(damages.map((damage) => damage.position)).toContain(Number(position))
  const stream = allOf(log.readStream(`thing-${(Number(position) - 1) % 20}`))
  await expect(stream).rejects.toMatchObject({ position })
  await log.close()
})

test('a key that is forgotten while the log is checked is no damage, whatever was forgotten before', async () => {
  const path = await filled()
  const log = await openEmbeddedLog({ path, clock })
  for (const stream of ['key-a', 'key-b'])
    await log.append(stream, 'any', [{ id: newId(), type: 'KeyCreated', data: {}, metadata }])
  await log.forget('key-a')
  await log.close()
  const db = new DatabaseSync(path)
  let steps = 0
  const damages: unknown[] = []
  checkWhole(
    path,
    (damage) => damages.push(damage),
    (work) => {
      // 601 events are read in five steps; the next one reads the index. As the writer forgets: no event came in between, so the floor stays.
      if (++steps === 6)
        db.exec(`DELETE FROM events WHERE stream = (SELECT id FROM streams WHERE name = 'key-b');
          DELETE FROM streams WHERE name = 'key-b'; UPDATE floor SET position = position`)
      return work()
    },
  )
  expect(db.prepare(`SELECT count(*) AS n FROM events`).get()).toEqual({ n: 600 })
  db.close()
  expect(damages).toEqual([])
})

test('a log that was cut is refused with what to do', async () => {
  const path = await filled()
  const size = readFileSync(path).length
  for (const share of [0.95, 0.6, 0.1]) {
    const copy = copyOf(path)
    truncateSync(copy, Math.floor((size * share) / 4096) * 4096)
    await expect(openEmbeddedLog({ path: copy, clock })).rejects.toThrow(/cannot be opened.*restore a backup/s)
  }
})

test('events of an earlier release, which have no checksum, are read and checked for what can be known', async () => {
  const path = await filled()
  const db = new DatabaseSync(path)
  db.exec('ALTER TABLE events DROP COLUMN sum')
  db.close()
  const damages: unknown[] = []
  // A backup checks a log that no server of this release was started on.
  checkWhole(path, (damage) => damages.push(damage))
  expect(await readAll(path)).toHaveLength(600)
  checkWhole(path, (damage) => damages.push(damage))
  expect(damages).toEqual([])
})
