import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { createMailbox, newMailboxMemory } from '../../../src/stores/embedded/mailbox.ts'
import type { BatchResult } from '../../../src/stores/embedded/requests.ts'
import { all, event } from '../../contracts/event-log-tools.ts'
import { temporaryDirectory } from '../temporary.ts'

/** The two ends, as the two threads have them. */
const mailbox = () => {
  const memory = newMailboxMemory()
  return { here: createMailbox(memory), there: createMailbox(memory) }
}
const most = Math.floor((512 * 1024) / 3)

test.each(['a', 'é', '日', '🦊', 'a\0b', '\u{10ffff}z'])('the text %j comes out as it was put in, once', (text) => {
  const { here, there } = mailbox()
  for (const count of [1, 1000, Math.floor(most / text.length)]) {
    const batch = text.repeat(count)
    expect(here.put(batch)).toBe(true)
    expect(there.take()).toBe(batch)
    expect(there.take()).toBeUndefined()
  }
})

test('a text that may not fit is not taken, and a shorter one leaves nothing of the longer one before', () => {
  const { here, there } = mailbox()
  expect(here.put('a'.repeat(most + 1))).toBe(false)
  expect(there.take()).toBeUndefined()
  here.put('日'.repeat(most))
  there.take()
  here.put('ok')
  expect(there.take()).toBe('ok')
})

test('answers come out as they were given', () => {
  const { here, there } = mailbox()
  const results = [
    { done: 'appended', revision: 0, position: 1 },
    { done: 'repeated', revision: 2 ** 40, position: Number.MAX_SAFE_INTEGER },
    { done: 'conflict', actual: -1 },
    { done: 'forgotten' },
  ] as const
  for (const result of [
    { results, last: 7, walGrown: true },
    { results: [], last: 8, walGrown: true },
    { results: results.slice(2), last: 9, walGrown: false },
  ] satisfies BatchResult[]) {
    expect(there.answer(result)).toBe(true)
    expect(here.answered()).toEqual(result)
  }
})

test('what numbers do not tell, and answers to more than it holds, are not taken', () => {
  const { there } = mailbox()
  expect(there.answer({ results: [{ done: 'failed', message: 'the disk is full' }], last: 1, walGrown: false })).toBe(false)
  const many = Array.from({ length: 5000 }, () => ({ done: 'forgotten' }) as const)
  expect(there.answer({ results: many, last: 1, walGrown: false })).toBe(false)
})

test('whoever waits hears a ring, also one that was before', () => {
  const { here, there } = mailbox()
  here.ring()
  expect(there.wait(0)).toBe(1)
  here.ring()
  here.ring()
  expect(there.wait(1)).toBe(3)
})

test('appends that the mailbox does not hold take the other way, in order with those that it holds', async () => {
  const log = await openEmbeddedLog({ path: `${temporaryDirectory()}/log.db`, clock: systemClock })
  onTestFinished(() => log.close())
  const texts = Array.from({ length: 12 }, (_, n) => (n % 3 === 0 ? '日' : 'a').repeat(n % 2 === 0 ? 300_000 : 3))
  for (const [n, text] of texts.entries())
    await log.append('thing-1', n === 0 ? 'noStream' : n - 1, [event('ThingNamed', { text })])
  await Promise.all(texts.map((text, n) => log.append(`thing-many-${n}`, 'noStream', [event('ThingNamed', { text })])))
  const recorded = await all(log.readAll())
  expect(recorded.map(({ data }) => data.text)).toEqual([...texts, ...texts])
})

test('a thread that waits at the mailbox ends when it is told to', async () => {
  const worker = new Worker(new URL('../../../src/stores/embedded/writer-thread.ts', import.meta.url), {
    workerData: { path: `${temporaryDirectory()}/log.db`, acknowledged: 0, memory: newMailboxMemory() },
  })
  await new Promise((resolve) => worker.once('message', resolve))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(await worker.terminate()).toBe(1)
})
