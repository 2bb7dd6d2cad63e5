import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import { leadershipContract } from '../../contracts/leadership.ts'
import { canOwnEventStoreDb, ownEventStoreDb } from '../../engines/own.ts'
import { eventStoreDbUrl } from '../../engines/running.ts'
import { startChild } from './child.ts'
import { openLeaseStore } from './lease-store.ts'

/** What the replacement of a dead holder may take. */
const replacedWithinMs = 10_000
const patience = { timeout: 30_000, interval: 5 }

/** One who stands for an office; `terms` says from when to when it led. */
const candidate = async (url: string, office: string) => {
  const store = await openLeaseStore(url)
  const leadership = store.leadership()
  const stop = new AbortController()
  const terms: { from: number; to: number | undefined }[] = []
  const campaign = leadership.campaign({
    office,
    signal: stop.signal,
    lead: (signal) =>
      new Promise((resolve) => {
        const term: (typeof terms)[number] = { from: clock.monotonic(), to: undefined }
        terms.push(term)
        const end = (): void => {
          term.to = clock.monotonic()
          resolve()
        }
        if (signal.aborted) end()
        else signal.addEventListener('abort', end, { once: true })
      }),
  })
  const end = async (): Promise<void> => {
    stop.abort()
    await campaign
  }
  onTestFinished(async () => {
    await end()
    await store.close()
  })
  return {
    terms,
    end,
    leads: () => terms.some(({ to }) => to === undefined),
    untilLeading: () => expect.poll(() => terms.some(({ to }) => to === undefined), patience).toBe(true),
  }
}

describe.skipIf(eventStoreDbUrl === undefined)('offices on EventStoreDB', () => {
  const url = eventStoreDbUrl ?? ''

  leadershipContract('EventStoreDB', async () => {
    const store = await openLeaseStore(url)
    onTestFinished(() => store.close())
    return store.leadership()
  })

  test('of many candidates one leads; when it leaves, another one does at once', async () => {
    const office = newId()
    const all = await Promise.all(Array.from({ length: 4 }, () => candidate(url, office)))
    for (let left = all.length; left > 0; left--) {
      const since = clock.monotonic()
      await expect.poll(() => all.filter(({ leads }) => leads()).length, patience).toBe(1)
      if (left < all.length) expect(clock.monotonic() - since).toBeLessThan(2_000)
      await all.find(({ leads }) => leads())?.end()
    }
    const terms = all.flatMap(({ terms }) => terms).sort((one, other) => one.from - other.from)
    expect(terms).toHaveLength(all.length)
    for (const [index, { from }] of terms.entries()) expect(from).toBeGreaterThanOrEqual(terms[index - 1]?.to ?? 0)
  })

  test('a killed holder is replaced within ten seconds', async () => {
    const office = newId()
    const holder = startChild('office-child.ts', url, office)
    expect(await holder.line()).toBe('leads')
    const heir = await candidate(url, office)
    // It has heard of a renewal, and is not tempted by it.
    await clock.sleep(2_000)
    expect(heir.leads()).toBe(false)
    holder.kill('SIGKILL')
    const killedAt = clock.monotonic()
    await heir.untilLeading()
    const took = clock.monotonic() - killedAt
    expect(took).toBeLessThan(replacedWithinMs)
  })

  test('a holder that leaves on SIGTERM is replaced at once', async () => {
    const office = newId()
    const holder = startChild('office-child.ts', url, office)
    await holder.line()
    const heir = await candidate(url, office)
    holder.kill('SIGTERM')
    expect(await holder.line()).toBe('stopped')
    const stoppedAt = clock.monotonic()
    await heir.untilLeading()
    expect(clock.monotonic() - stoppedAt).toBeLessThan(2_000)
  })

  test('a frozen holder steps down when it thaws, and takes nothing back', async () => {
    const office = newId()
    const frozen = startChild('office-child.ts', url, office)
    await frozen.line()
    const heir = await candidate(url, office)
    frozen.kill('SIGSTOP')
    await heir.untilLeading()
    frozen.kill('SIGCONT')
    expect(await frozen.line()).toBe('stopped')
    expect(heir.leads()).toBe(true)
    await heir.end()
    expect(await frozen.line()).toBe('leads')
  })
})

describe.skipIf(!canOwnEventStoreDb)('offices on an EventStoreDB that ends', () => {
  test('a restart of the server: the holder goes on; a long absence: it steps down, and one leads afterwards', async () => {
    const server = await ownEventStoreDb()
    onTestFinished(() => server.stop())
    const office = newId()
    const [first, second] = [await candidate(server.url, office), await candidate(server.url, office)]
    await expect.poll(() => first.leads() || second.leads(), patience).toBe(true)
    const [holder, other] = first.leads() ? [first, second] : [second, first]
    await server.kill('SIGKILL')
    await server.start()
    const [term] = holder.terms
    // More than a term later it was renewed, or it would have ended.
    await clock.sleep(10_000)
    expect(holder.terms).toEqual([term])
    expect(holder.leads()).toBe(true)
    expect(other.terms).toEqual([])

    await server.kill('SIGKILL')
    await expect.poll(() => holder.leads(), patience).toBe(false)
    await server.start()
    await expect.poll(() => first.leads() || second.leads(), patience).toBe(true)
    const terms = [...first.terms, ...second.terms].sort((one, later) => one.from - later.from)
    for (const [index, { from }] of terms.entries()) expect(from).toBeGreaterThanOrEqual(terms[index - 1]?.to ?? 0)
  })
})
