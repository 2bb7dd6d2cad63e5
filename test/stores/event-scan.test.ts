import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import type { EventLog, RecordedEvent } from '../../src/stores/event-log.ts'
import { scan } from '../../src/stores/event-scan.ts'

const metadata = { correlationId: newId(), actor: { principal: 'p', face: null, address: null }, schema: 1 }
const stream = 'thing-1'

/** A log of 100 events in two streams, turn about, and how many events of it were read. */
const filled = async () => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  for (let at = 0; at < 100; at++)
    await log.append(at % 2 === 0 ? stream : 'thing-2', 'any', [{ id: newId(), type: `T${at}`, data: {}, metadata }])
  let read = 0
  const counted: EventLog = {
    ...log,
    async *readStream(name, options) {
      for await (const event of log.readStream(name, options)) {
        read += 1
        yield event
      }
    },
  }
  const all = await Array.fromAsync(log.readAll())
  return { log: counted, all, reads: () => read }
}
const visible = (): boolean => true
const types = (events: readonly RecordedEvent[]): readonly string[] => events.map(({ type }) => type)

describe('a scan of one stream', () => {
  test.each([0, 1, 40, 41, 97, 98, 99])(
    'goes on behind the %d-th event of the log without reading what is before it',
    async (at) => {
      const { log, all, reads } = await filled()
      const after = all[at]?.position ?? ''
      const found = await Array.fromAsync(scan(log, { stream: [stream], visible }, { after }))
      expect(types(found)).toEqual(types(all.slice(at + 1).filter((event) => event.stream === stream)))
      expect(reads()).toBeLessThanOrEqual(found.length + 10)
    },
  )

  test.each([0, 1, 40, 41, 99])('goes back from the %d-th', async (at) => {
    const { log, all, reads } = await filled()
    const after = all[at]?.position ?? ''
    const found = await Array.fromAsync(scan(log, { stream: [stream], visible }, { after, backwards: true }))
    expect(types(found)).toEqual(
      types(
        all
          .slice(0, at)
          .filter((event) => event.stream === stream)
          .toReversed(),
      ),
    )
    expect(reads()).toBeLessThanOrEqual(found.length + 10)
  })

  test('ends where it has looked for long enough', async () => {
    const { log, reads } = await filled()
    const asked: string[] = []
    const isEnough = (position: string): boolean => asked.push(position) === 5
    expect(await Array.fromAsync(scan(log, { stream: [stream], type: ['none'], visible }, { isEnough }))).toEqual([])
    expect(reads()).toBe(5)
  })

  test('finds nothing in a stream that is not there', async () => {
    const { log, all } = await filled()
    expect(await Array.fromAsync(scan(log, { stream: ['thing-3'], visible }, { after: all[3]?.position }))).toEqual([])
  })
})
