import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { createLocalLeadership } from '../../src/stores/embedded/leadership.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import type { EventLog, Position, RecordedEvent } from '../../src/stores/event-log.ts'
import { createOutbox } from '../../src/stores/outbox.ts'

const logger = pino({ level: 'silent' })
const keepShort = async () => undefined

const open = async () => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  onTestFinished(() => log.close())
  let n = 0
  const happen = (type = 'Counted', data = { n: n++ }) =>
    log.append('counter-1', 'any', [
      {
        id: newId(),
        type,
        data,
        metadata: { correlationId: 'c', actor: { principal: 't', face: null, address: null }, schema: 1 },
      },
    ])
  return { log, happen }
}

/** Collects what is delivered; `refuse` makes the next deliveries fail. */
const collector = () => {
  const delivered: number[] = []
  const looks = new Set<() => void>()
  let failures = 0
  return {
    delivered,
    refuse: (times: number) => {
      failures = times
    },
    deliver: async (events: readonly RecordedEvent[]) => {
      if (failures-- > 0) throw new Error('not now')
      delivered.push(...events.map(({ data }) => Number(data.n)))
      for (const look of looks) look()
    },
    until: (count: number): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (delivered.length < count) return
          looks.delete(look)
          resolve()
        }
        looks.add(look)
        look()
      }),
  }
}

const start = async (
  log: EventLog,
  { deliver }: { readonly deliver: (events: readonly RecordedEvent[]) => Promise<void> },
  beginning: 'origin' | 'head' | { readonly after: Position } = 'origin',
) => {
  const leadership = createLocalLeadership()
  const office = `office-${typeof beginning === 'object' ? 'after' : beginning}`
  const filter = { typePrefixes: ['Counted'] }
  const clock = systemClock
  const follower = createOutbox({ log, leadership, office, filter, beginning, deliver, keepShort, clock, logger })
  await follower.start()
  onTestFinished(() => follower.stop())
  return follower
}

test('what could not be delivered is delivered later, in its order', async () => {
  const { log, happen } = await open()
  const all = collector()
  all.refuse(2)
  await start(log, all)
  for (let n = 0; n < 3; n++) await happen()
  await happen('Other', { n: 99 })
  await all.until(3)
  expect(all.delivered).toEqual([0, 1, 2])
})

test('the next one goes on where the last one stopped', async () => {
  const { log, happen } = await open()
  const first = collector()
  const follower = await start(log, first)
  await happen()
  await first.until(1)
  await follower.stop()
  await happen()
  const second = collector()
  await start(log, second)
  await second.until(1)
  expect([first.delivered, second.delivered]).toEqual([[0], [1]])
})

test('who begins after a position delivers what comes behind it, and later goes on where the last one stopped', async () => {
  const { log, happen } = await open()
  await happen()
  const after = (await happen()).position
  await happen()
  const first = collector()
  const follower = await start(log, first, { after })
  await first.until(1)
  await follower.stop()
  await happen()
  const second = collector()
  await start(log, second, { after })
  await second.until(1)
  expect([first.delivered, second.delivered]).toEqual([[2], [3]])
})

test('who begins with the head delivers what happens after the very first start, whatever happened meanwhile', async () => {
  const { log, happen } = await open()
  await happen()
  const first = collector()
  const follower = await start(log, first, 'head')
  await follower.stop()
  await happen()
  const second = collector()
  await start(log, second, 'head')
  await happen()
  await second.until(2)
  expect([first.delivered, second.delivered]).toEqual([[], [1, 2]])
})

test('places are kept where no listing shows them', async () => {
  const { log, happen } = await open()
  const all = collector()
  const follower = await start(log, all)
  await happen()
  await all.until(1)
  await follower.stop()
  const events = await Array.fromAsync(log.readAll())
  expect(events.map(({ stream }) => stream)).toEqual(['counter-1'])
})

test('who was overtaken by another one while it was frozen gives up', async () => {
  const { log, happen } = await open()
  const mine = collector()
  let ended = false
  const leadership = {
    campaign: async ({ signal, lead }: { signal: AbortSignal; lead: (signal: AbortSignal) => Promise<void> }) => {
      await lead(signal)
      ended = true
    },
  }
  let now = systemClock.monotonic()
  const clock = { ...systemClock, monotonic: () => now }
  const { deliver } = mine
  const follower = createOutbox({ log, leadership, office: 'one', beginning: 'origin', deliver, keepShort, clock, logger })
  await follower.start()
  onTestFinished(() => follower.stop())
  await happen()
  await mine.until(1)
  // The other one has delivered more than this one knows of.
  const actor = { principal: 'one', face: null, address: null }
  const position = (await happen()).position
  await mine.until(2)
  const mark = {
    id: newId(),
    type: 'Delivered',
    data: { position: `${position}~` },
    metadata: { correlationId: 'one', actor, schema: 1 },
  }
  await log.append('lease-follower-one', 0, [mark])
  now += 10_000
  await happen()
  await mine.until(3)
  await follower.stop()
  expect(ended).toBe(true)
  const marks = await Array.fromAsync(log.readStream('lease-follower-one'))
  expect(marks.map(({ data }) => data.position)).toEqual(['0', `${position}~`])
})

test('places are kept every ten seconds, or after much; the log is asked to keep no more than it needs', async () => {
  const { log, happen } = await open()
  const all = collector()
  let now = systemClock.monotonic()
  const short: string[] = []
  const follower = createOutbox({
    log,
    leadership: createLocalLeadership(),
    office: 'rare',
    filter: { typePrefixes: ['Counted'] },
    beginning: 'origin',
    deliver: all.deliver,
    keepShort: async (stream) => void short.push(stream),
    clock: { ...systemClock, monotonic: () => now },
    logger,
  })
  await follower.start()
  onTestFinished(() => follower.stop())
  const marks = async (): Promise<number> => (await Array.fromAsync(log.readStream('lease-follower-rare'))).length
  const deliverOne = async (): Promise<void> => {
    const before = all.delivered.length
    await happen()
    await all.until(before + 1)
  }
  await deliverOne()
  now += 9_000
  await deliverOne()
  expect(await marks()).toBe(1)
  now += 1_000
  await deliverOne()
  await expect.poll(marks).toBe(2)
  now += 1_000
  for (let n = 0; n < 998; n++) await happen()
  await all.until(1_001)
  expect(await marks()).toBe(2)
  await deliverOne()
  await deliverOne()
  await expect.poll(marks).toBe(3)
  expect(short).toEqual(['lease-follower-rare'])
})
