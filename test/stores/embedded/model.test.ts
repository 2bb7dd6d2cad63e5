import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { RevisionConflict } from '../../../src/lib/errors.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import type { Expected, NewEvent } from '../../../src/stores/event-log.ts'
import { all, events, eventsOf, followed, isLive, places } from '../../contracts/event-log-tools.ts'

type Step =
  | { readonly does: 'append'; readonly stream: string; readonly expected: Expected; readonly count: number }
  | { readonly does: 'repeat'; readonly which: number }
  | { readonly does: 'forget'; readonly stream: string }

const streams = ['thing-1', 'thing-2', 'key-1', 'key-2']
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant('append' as const),
      stream: fc.constantFrom(...streams),
      expected: fc.oneof(fc.constantFrom<Expected>('any', 'noStream', 'streamExists'), fc.nat(6)),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('repeat' as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('forget' as const), stream: fc.constantFrom('key-1', 'key-2') }) },
)

/** The log as one would write it without a disk: what every answer must be. */
const createModel = () => {
  const recorded = new Map<string, { id: string; sequence: number }[]>()
  let shown: string[] = []
  let sequence = 0
  return {
    shown: () => shown,
    forget: (stream: string): string => {
      recorded.delete(stream)
      return 'forgotten'
    },
    append: (stream: string, expected: Expected, given: readonly NewEvent[]): string => {
      const known = recorded.get(stream) ?? []
      const actual = known.length - 1
      const fits =
        expected === 'any' ||
        (expected === 'noStream' && actual === -1) ||
        (expected === 'streamExists' && actual >= 0) ||
        expected === actual
      const start =
        typeof expected === 'number'
          ? expected + 1
          : expected === 'noStream'
            ? 0
            : known.findIndex(({ id }) => id === given[0]?.id)
      const repeats = start >= 0 && given.every(({ id }, index) => known[start + index]?.id === id)
      if (repeats) return `${start + given.length - 1} at ${known[start + given.length - 1]?.sequence}`
      if (!fits) return `conflict with ${actual}`
      for (const { id } of given) {
        sequence += 1
        known.push({ id, sequence })
        if (!stream.startsWith('key-')) shown = [...shown, `${stream}@${known.length - 1}`]
      }
      recorded.set(stream, known)
      return `${known.length - 1} at ${sequence}`
    },
  }
}

test('whatever is appended together, repeated and forgotten, the log answers as its model', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { maxLength: 10 }),
      fc.nat(20),
      async (bursts, tailEvents) => {
        const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock, tailEvents })
        const model = createModel()
        const asked: { stream: string; expected: Expected; given: NewEvent[] }[] = []
        const stop = new AbortController()
        const seen: string[] = []
        let doneAt: string | undefined
        const following = (async () => {
          for await (const feed of log.subscribe({ signal: stop.signal })) {
            if (feed.kind === 'event') seen.push(`${feed.event.stream}@${feed.event.revision}`)
            if (doneAt !== undefined && (feed.kind === 'event' ? feed.event.position : feed.position) >= doneAt) return
          }
        })()
        const append = async (stream: string, expected: Expected, given: NewEvent[]): Promise<string> => {
          try {
            const { revision, position } = await log.append(stream, expected, given)
            return `${revision} at ${Number(position)}`
          } catch (error) {
            if (error instanceof RevisionConflict) return `conflict with ${error.actual}`
            throw error
          }
        }
        const pair = (todo: Step): [Promise<string>, string] | undefined => {
          if (todo.does === 'forget') return [log.forget(todo.stream).then(() => 'forgotten'), model.forget(todo.stream)]
          const earlier = todo.does === 'repeat' ? asked[todo.which % (asked.length || 1)] : undefined
          if (todo.does === 'repeat' && earlier === undefined) return undefined
          const request = earlier ?? { ...(todo as Step & { does: 'append' }), given: events((todo as { count: number }).count) }
          asked.push(request)
          const { stream, expected, given } = request
          return [append(stream, expected, given), model.append(stream, expected, given)]
        }
        // All of a burst at once, so that they share a transaction.
        for (const burst of bursts) {
          const pairs = burst.flatMap((todo) => [pair(todo) ?? []].filter((found) => found.length === 2))
          expect(await Promise.all(pairs.map(([answer]) => answer))).toEqual(pairs.map(([, expected]) => expected))
        }
        expect(places(await all(log.readAll()))).toEqual(model.shown())
        expect(places(eventsOf(await followed(log, {}, isLive)))).toEqual(model.shown())
        doneAt = (await log.append('thing-last', 'noStream', events(1))).position
        await following
        expect(seen).toEqual([...model.shown(), 'thing-last@0'])
        await log.close()
      },
    ),
    { numRuns: 150 },
  )
})
