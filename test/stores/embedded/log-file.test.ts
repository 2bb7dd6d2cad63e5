import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import type { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { RevisionConflict, Unavailable } from '../../../src/lib/errors.ts'
import { type EmbeddedLog, openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { all, event, events, eventsOf, followed, isLive, metadata, places } from '../../contracts/event-log-tools.ts'
import { temporaryDirectory } from '../temporary.ts'

const open = async (path: string): Promise<EmbeddedLog> => {
  const log = await openEmbeddedLog({ path, clock: systemClock })
  onTestFinished(() => log.close())
  return log
}
const newPath = (): string => join(temporaryDirectory(), 'data', 'log.db')

/** Starts a script beside this test; the answer reads its lines. */
const child = (script: string, args: readonly string[], blocks = 'unlimited') => {
  const file = join(import.meta.dirname, script)
  // The soft limit on the size of files plays the full disk; it can be lifted again while the process runs.
  const command = `ulimit -S -f ${blocks}; exec "$0" "$@"`
  const started = spawn('bash', ['-c', command, process.execPath, file, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void started.kill('SIGKILL'))
  return { started, lines: createInterface({ input: started.stdout })[Symbol.asyncIterator]() }
}

test('a log is what it was after it is opened again, and so is what it knows of repetitions', async () => {
  const path = newPath()
  const first = await open(path)
  const [created, grown, free] = [events(2), events(3), events(2)]
  const answers = [
    await first.append('thing-1', 'noStream', created),
    await first.append('thing-1', 1, grown),
    await first.append('thing-2', 'any', free),
  ]
  const [head, before] = [await first.head(), await all(first.readAll())]
  await first.close()
  const second = await open(path)
  expect(await second.head()).toBe(head)
  expect(await all(second.readAll())).toEqual(before)
  expect(eventsOf(await followed(second, {}, isLive))).toEqual(before)
  expect([
    await second.append('thing-1', 'noStream', created),
    await second.append('thing-1', 1, grown),
    await second.append('thing-2', 'any', free),
  ]).toEqual(answers)
  await expect(second.append('thing-1', 1, events(1))).rejects.toMatchObject({ actual: 4 })
})

test('positions go on after the last events were forgotten and the log was opened again', async () => {
  const path = newPath()
  const first = await open(path)
  await first.append('thing-1', 'noStream', events(1))
  const { position } = await first.append('key-a', 'noStream', events(3))
  await first.forget('key-a')
  await first.close()
  const second = await open(path)
  expect(await second.head()).toBe(position)
  expect((await second.append('thing-1', 0, events(1))).position > position).toBe(true)
})

test('no file holds a forgotten key', async () => {
  const path = newPath()
  const directory = join(path, '..')
  const log = await open(path)
  const marks = Array.from({ length: 200 }, (_, n) => `MARK-${n}-${'k'.repeat(40 + (n % 7) * 300)}-${n}-END`)
  for (const [n, mark] of marks.entries()) {
    await log.append(`key-${n}`, 'noStream', [event('KeyCreated', { wrapped: mark })])
    await log.append(`thing-${n % 20}`, 'any', events(5))
  }
  const holding = (): number[] => {
    const text = readdirSync(directory)
      .map((name) => readFileSync(join(directory, name), 'latin1'))
      .join('\n')
    return [...marks.keys()].filter((n) => text.includes(`MARK-${n}-`) || text.includes(`-${n}-END`))
  }
  expect(holding()).toHaveLength(200)
  for (const [n] of marks.entries()) if (n % 3 !== 0) await log.forget(`key-${n}`)
  expect(holding()).toEqual([...marks.keys()].filter((n) => n % 3 === 0))
  for (const [n] of marks.entries()) await log.forget(`key-${n}`)
  expect(holding()).toEqual([])
})

test('killed at any moment, everything that was acknowledged is there, and whole', async () => {
  const path = newPath()
  const acknowledged: [stream: string, id: string][] = []
  for (const round of [0, 1, 2, 3]) {
    const { started, lines } = child('crash-child.ts', [path, String(1 + round * 15), String(round)])
    for (let count = 0; count < 150 + round * 100; count++) {
      const { value } = await lines.next()
      acknowledged.push((value as string).split(' ') as [string, string])
    }
    started.kill('SIGKILL')
    await once(started, 'exit')
    for (let line = await lines.next(); !line.done; line = await lines.next()) {
      const [stream, id] = (line.value as string).split(' ')
      if (stream !== undefined && id?.length === 36) acknowledged.push([stream, id])
    }
  }
  const log = await open(path)
  const recorded = await all(log.readAll())
  const ids = new Map(recorded.map(({ id, stream }) => [id, stream]))
  expect(acknowledged.filter(([stream, id]) => ids.get(id) !== stream)).toEqual([])
  const next = new Map<string, number>()
  for (const { stream, revision } of recorded) {
    expect(revision).toBe(next.get(stream) ?? 0)
    next.set(stream, revision + 1)
  }
  expect(recorded.map(({ position }) => Number(position))).toEqual(recorded.map((_, index) => index + 1))
})

test('a full disk refuses appends, ends nothing, and is forgiven when there is room again', async () => {
  const { started, lines } = child('full-disk-child.ts', [newPath()], '2000')
  const heard = async () =>
    JSON.parse((await lines.next()).value as string) as { outcome: string; acknowledged: number; read: number }
  const full = await heard()
  expect(full.outcome).toMatch(/^Unavailable: the log cannot be written/)
  expect(full.acknowledged).toBeGreaterThan(10)
  expect(full.read).toBe(full.acknowledged)
  const [lifted] = await once(spawn('prlimit', ['--pid', String(started.pid), '--fsize=unlimited']), 'exit')
  expect(lifted).toBe(0)
  started.stdin.write('again\n')
  const room = await heard()
  expect(room).toEqual({ outcome: 'ok', acknowledged: full.acknowledged + 3, read: full.acknowledged + 3 })
  started.stdin.end()
  expect((await once(started, 'exit'))[0]).toBe(0)
})

test.each([
  [
    'no database',
    (path: string) => writeFileSync(path, 'this is no log at all, but it is long enough to be looked at'.repeat(100)),
  ],
  ['a log of a later format', (path: string) => new DatabaseSync(path).exec('PRAGMA user_version = 99')],
])('%s is refused in words and left as it is', async (_, make) => {
  const path = join(temporaryDirectory(), 'log.db')
  make(path)
  const before = readFileSync(path)
  await expect(openEmbeddedLog({ path, clock: systemClock })).rejects.toThrow(Unavailable)
  expect(readFileSync(path).subarray(100).equals(before.subarray(100))).toBe(true)
})

test('damage in the middle of the file makes reads and appends unavailable, not wrong', async () => {
  const path = newPath()
  const log = await open(path)
  for (let n = 0; n < 20; n++) await log.append(`thing-${n}`, 'noStream', events(200))
  await log.close()
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.fill(0xa5, 8 * 4096, bytes.length - 4096))
  const error = await (async () => {
    const damaged = await open(path)
    await all(damaged.readAll())
  })().catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Unavailable)
})

test('a writer that died is replaced, and what it was doing is unknown, not lost', async () => {
  const workers: Worker[] = []
  const listen = (worker: Worker): void => void workers.push(worker)
  process.on('worker', listen)
  onTestFinished(() => void process.off('worker', listen))
  const log = await open(newPath())
  await log.append('thing-1', 'noStream', events(1))
  const given = events(2)
  const pending = log.append('thing-1', 0, given).catch((error: unknown) => error)
  await new Promise((resolve) => setImmediate(resolve))
  await workers[0]?.terminate()
  const outcome = await pending
  if (outcome instanceof Error) expect(outcome).toBeInstanceOf(Unavailable)
  expect(await log.append('thing-1', 0, given)).toMatchObject({ revision: 2 })
  expect(workers).toHaveLength(2)
  expect(places(eventsOf(await followed(log, {}, isLive)))).toEqual(['thing-1@0', 'thing-1@1', 'thing-1@2'])
})

test('followers get a commit that nobody was told of', async () => {
  const path = newPath()
  const log = await open(path)
  await log.append('thing-1', 'noStream', events(1))
  // As if the writer had died between its commit and its answer.
  const other = new DatabaseSync(path)
  const lost = event()
  other
    .prepare(
      'INSERT INTO events (position, stream, revision, type, id, data, metadata, recorded_at) VALUES (2, 1, 1, ?, ?, ?, ?, 0)',
    )
    .run(lost.type, lost.id, '{}', JSON.stringify(metadata))
  other.close()
  const feeds = await followed(log, {}, (given) => {
    if (isLive(given))
      void (async () => {
        await expect(log.append('thing-1', 'any', events(1))).rejects.toThrow(Unavailable)
        expect(await log.append('thing-1', 0, [lost])).toMatchObject({ revision: 1 })
        await log.append('thing-1', 1, events(1))
      })()
    return eventsOf(given).length === 3
  })
  expect(places(eventsOf(feeds))).toEqual(['thing-1@0', 'thing-1@1', 'thing-1@2'])
})

test('a log that lost acknowledged events is not written to', async () => {
  const path = newPath()
  const log = await open(path)
  await log.append('thing-1', 'noStream', events(3))
  const other = new DatabaseSync(path)
  other.exec(
    'DELETE FROM events WHERE position = 3; INSERT INTO events SELECT 4, stream, 9, type, id, data, metadata, 0, sum FROM events LIMIT 1',
  )
  await expect(log.append('thing-1', 2, events(2))).rejects.toThrow(Unavailable)
  other.exec('DELETE FROM events WHERE position = 4')
  await expect(log.append('thing-1', 2, events(1))).rejects.toThrow(/3 was acknowledged/)
  other.close()
})

test('appends that arrive together share commits, and the log says so', async () => {
  const log = await open(newPath())
  await Promise.all(Array.from({ length: 200 }, (_, n) => log.append(`thing-${n}`, 'noStream', events(2))))
  await log.append('thing-0', 'noStream', events(1)).catch((error: unknown) => expect(error).toBeInstanceOf(RevisionConflict))
  expect(log.metrics()).toMatchObject({ appends: 200, events: 400, conflicts: 1, failures: 0, waiting: 0, subscribers: 0 })
  expect(log.metrics().commits).toBeLessThan(20)
  expect(log.metrics().largestBatch).toBeGreaterThan(50)
})

test('closing leaves one tidy file', async () => {
  const path = newPath()
  const log = await open(path)
  await log.append('thing-1', 'noStream', events(1))
  await log.close()
  expect(existsSync(`${path}-wal`)).toBe(false)
})

test('large and small appends are recorded in the order in which they were made', async () => {
  const log = await open(newPath())
  const texts = Array.from({ length: 12 }, (_, n) => (n % 3 === 0 ? '日' : 'a').repeat(n % 2 === 0 ? 300_000 : 3))
  for (const [n, text] of texts.entries())
    await log.append('thing-1', n === 0 ? 'noStream' : n - 1, [event('ThingNamed', { text })])
  await Promise.all(texts.map((text, n) => log.append(`thing-many-${n}`, 'noStream', [event('ThingNamed', { text })])))
  const recorded = await all(log.readAll())
  expect(recorded.map(({ data }) => data.text)).toEqual([...texts, ...texts])
})
