import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { type Generation, openGeneration } from '../../../src/projections/engine/generation.ts'
import type { Projection } from '../../../src/projections/projection.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { createWalCheckpoints } from '../../../src/stores/files/wal-checkpoints.ts'
import { event as recordable } from '../../contracts/event-log-tools.ts'
import { event, folder } from '../../projections/harness.ts'

const texts: Projection = {
  name: 'texts',
  version: 1,
  filter: { streamPrefixes: ['text-'] },
  schema: [`CREATE TABLE texts (seq INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT`],
  apply: ({ position }, tx) => tx.run(`INSERT INTO texts (text) VALUES (?)`, position.padStart(100_000)),
}

/** The thread has to start first, on a machine that may be busy. */
const soon = (holds: () => void): Promise<void> => vi.waitFor(holds, { timeout: 20_000 })

let written = 0
/** A commit of some 250 pages. */
const write = (generation: Generation): void => {
  const events = Array.from({ length: 10 }, () => {
    written++
    const position = String(written).padStart(16, '0')
    return { ...event('Written'), stream: 'text-1', revision: written, position, recordedAt: '2026-11-21T05:00:00.000Z' }
  })
  generation.apply(events, () => false)
  expect(generation.write()).toBeUndefined()
}
const wal = (generation: Generation) => generation.all<{ log: number; checkpointed: number }>('PRAGMA wal_checkpoint(NOOP)')[0]

test('a write-ahead log that has grown is copied by the thread, and begins anew', async () => {
  const checkpoints = createWalCheckpoints()
  onTestFinished(checkpoints.stop)
  const file = join(folder(), 'texts.db')
  const asked: string[] = []
  const generation = openGeneration(texts, file, (grown) => {
    asked.push(grown)
    checkpoints.ask(grown)
  })
  onTestFinished(generation.close)
  const isCopied = (): boolean => {
    const { log, checkpointed } = wal(generation) ?? { log: 0, checkpointed: 0 }
    return log === checkpointed || log < 1000
  }
  generation.markComplete()
  for (let commits = 0; commits < 3; commits++) write(generation)
  expect(asked).toEqual([])
  for (let commits = 0; commits < 40; commits++) {
    write(generation)
    // In quiet moments the thread is ready before the view writes again. Who asks before it has said so is passed over, until the next commit asks.
    await soon(() => {
      if (!isCopied()) checkpoints.ask(file)
      expect(isCopied()).toBe(true)
    })
  }
  expect(new Set(asked)).toEqual(new Set([file]))
  expect(statSync(`${file}-wal`).size).toBeLessThan(2000 * 4096)
})

test('one that outgrew the thread is cut when it begins anew', async () => {
  const checkpoints = createWalCheckpoints()
  onTestFinished(checkpoints.stop)
  const file = join(folder(), 'texts.db')
  const generation = openGeneration(texts, file, checkpoints.ask)
  onTestFinished(generation.close)
  generation.markComplete()
  for (let commits = 0; commits < 60; commits++) write(generation)
  await soon(() => {
    write(generation)
    expect(statSync(`${file}-wal`).size).toBeLessThan(4100 * 4096)
  })
})

test('while a view is filled nobody is asked, and its write-ahead log stays bounded', () => {
  const file = join(folder(), 'texts.db')
  const asked: string[] = []
  const generation = openGeneration(texts, file, (grown) => asked.push(grown))
  onTestFinished(generation.close)
  for (let commits = 0; commits < 60; commits++) {
    write(generation)
    expect(statSync(`${file}-wal`).size).toBeLessThan(4600 * 4096)
  }
  expect(asked).toEqual([])
})

test('a file that is gone is not made again', async () => {
  const checkpoints = createWalCheckpoints()
  onTestFinished(checkpoints.stop)
  const directory = folder()
  const generation = openGeneration(texts, join(directory, 'there.db'))
  onTestFinished(generation.close)
  write(generation)
  checkpoints.ask(join(directory, 'gone.db'))
  checkpoints.ask(join(directory, 'there.db'))
  await soon(() => expect(wal(generation)?.checkpointed).toBe(wal(generation)?.log))
  expect(existsSync(join(directory, 'gone.db'))).toBe(false)
})

test('the log asks too, and forgets whatever the thread does meanwhile', async () => {
  const checkpoints = createWalCheckpoints()
  onTestFinished(checkpoints.stop)
  const path = join(folder(), 'log.db')
  let asked = 0
  const log = await openEmbeddedLog({
    path,
    clock: systemClock,
    walGrown: (file) => {
      asked++
      checkpoints.ask(file)
    },
  })
  onTestFinished(() => log.close())
  const text = 'x'.repeat(100_000)
  const large = (id: string) => ({ ...recordable('Written'), data: { id, text } })
  let ended = false
  const writing = (async () => {
    // More at once than makes the log ask. Whoever forgets reads the whole file, and may write it anew: it does not grow without end.
    for (let at = 0; !ended && at < 8; at++)
      await Promise.all(Array.from({ length: 60 }, (_, of) => log.append(`text-${of}`, 'any', [large(`${at}`)])))
  })()
  for (let key = 0; key < 40; key++) {
    await log.append(`key-${key}`, 'noStream', [recordable('KeyMade')])
    await log.forget(`key-${key}`)
  }
  ended = true
  await writing
  expect(asked).toBeGreaterThan(0)
  expect(log.metrics().failures).toBe(0)
})
