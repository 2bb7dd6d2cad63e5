import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { operationStream } from '../../src/commands/operation.ts'
import { type StandardStream, standardStreams } from '../../src/events/output.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { type FollowedOutput, followOutput } from '../../src/projections/operations/follow-output.ts'
import { lastLinesFrom } from '../../src/projections/operations/last-lines.ts'
import { outputChunks, readOutput } from '../../src/projections/operations/read-output.ts'
import type { EventLog } from '../../src/stores/event-log.ts'
import { createOutputWriter } from '../../src/workers/output/output-writer.ts'
import { context } from '../workers/engine.ts'

type Said = readonly [StandardStream, string]

const said = fc.array(
  fc.tuple(
    fc.constantFrom(...standardStreams),
    fc.array(fc.constantFrom('a', '\n', 'ü', '🦆', 'line\n'), { minLength: 1, maxLength: 12 }).map((words) => words.join('')),
  ),
  { minLength: 1, maxLength: 12 },
)
const wanted = fc.constantFrom(undefined, ...standardStreams)
const longLines: readonly Said[] = Array.from({ length: 40 }, (_, n) => [
  n % 7 === 0 ? 'stderr' : 'stdout',
  `${n} ${'🦆ü'.repeat(n * 97)}\n`,
])

/** Reading and following the output of an operation, on any log. Source: native contract, section 9. */
export const outputContract = (name: string, open: () => Promise<EventLog>): void => {
  describe(name, () => {
    let log: EventLog
    beforeAll(async () => {
      log = await open()
    })
    afterAll(() => log.close())

    const { commandId: _, ...around } = context()
    const writing = (operationId: string, attempt = 1) =>
      createOutputWriter({
        ...{ log, clock: systemClock, operationId, attempt, capBytes: 10_000_000, context: around },
        isLive: () => true,
        onProblem: (problem) => expect.unreachable(problem),
      })
    /** Each text is an event of its own. */
    const write = async (operationId: string, texts: readonly Said[]): Promise<void> => {
      for (const [stream, text] of texts) {
        const writer = writing(operationId)
        await writer.write(text, stream)
        await writer.close()
      }
    }
    const end = (operationId: string, type = 'OperationSucceeded') =>
      log.append(operationStream(operationId), 'any', [{ id: newId(), type, data: {}, metadata: { ...around, schema: 1 } }])
    const printed = async (texts: readonly Said[]): Promise<string> => {
      const operationId = newId()
      await write(operationId, texts)
      return operationId
    }
    const textOf = (texts: readonly Said[], only?: StandardStream): string =>
      texts.flatMap(([stream, text]) => (only === undefined || only === stream ? [text] : [])).join('')

    test('slices lie end to end, of both streams or one', () =>
      fc.assert(
        fc.asyncProperty(said, wanted, fc.integer({ min: 1, max: 9 }), async (texts, stream, limit) => {
          const operationId = await printed(texts)
          const parts: Buffer[] = []
          for (let offset = 0; ; ) {
            const slice = await readOutput(log, operationId, { offset, limit, stream })
            expect(slice.content.length).toBeLessThanOrEqual(limit)
            parts.push(slice.content)
            if (slice.content.length === 0) {
              expect([slice.nextOffset, slice.size]).toEqual([slice.size, Buffer.byteLength(textOf(texts))])
              break
            }
            offset = slice.nextOffset
          }
          expect(Buffer.concat(parts).toString()).toBe(textOf(texts, stream))
        }),
        { numRuns: 12 },
      ))

    test('chunks name their places in the whole, and begin with a whole character', () =>
      fc.assert(
        fc.asyncProperty(said, wanted, fc.nat(30), async (texts, stream, offset) => {
          const operationId = await printed(texts)
          const whole = Buffer.from(textOf(texts))
          let before = offset
          for await (const chunk of outputChunks(log, operationId, { offset, stream })) {
            expect(chunk.offset).toBeGreaterThanOrEqual(before)
            expect(whole.toString('utf8', chunk.offset, chunk.nextOffset)).toBe(chunk.text)
            expect(chunk.text).not.toContain('\ufffd')
            if (stream !== undefined) expect(chunk.stream).toBe(stream)
            before = chunk.nextOffset
          }
          if (stream === undefined) expect(before).toBe(Math.max(offset, whole.length))
        }),
        { numRuns: 12 },
      ))

    test('the last lines are those of the whole, or of one stream', () =>
      fc.assert(
        fc.asyncProperty(said, wanted, fc.integer({ min: 1, max: 6 }), async (texts, stream, lines) => {
          const operationId = await printed(texts)
          const offset = await lastLinesFrom(log, operationId, { lines, stream })
          const { content } = await readOutput(log, operationId, { offset, limit: 10_000, stream })
          const all = textOf(texts, stream).match(/[^\n]*\n|[^\n]+$/g) ?? []
          expect(content.toString()).toBe(all.slice(-lines).join(''))
        }),
        { numRuns: 15 },
      ))

    test('what was recorded after a position is left out', async () => {
      const operationId = await printed([['stdout', 'one\ntwo\n']])
      const upTo = await log.head()
      await write(operationId, [['stdout', 'three\n']])
      expect((await readOutput(log, operationId, { offset: 0, limit: 100, upTo })).content.toString()).toBe('one\ntwo\n')
      expect(await lastLinesFrom(log, operationId, { lines: 1, upTo })).toBe(4)
      expect(await lastLinesFrom(log, operationId, { lines: 1 })).toBe(8)
      const chunks = await Array.fromAsync(outputChunks(log, operationId, { offset: 0, upTo }))
      expect(chunks.map(({ text }) => text)).toEqual(['one\ntwo\n'])
    })

    /** Follows while the output is written; a consumer may be slow, and begin anew from time to time. */
    const followed = async (
      texts: readonly Said[],
      { from = 0, stream, times = 1 }: { from?: number; stream?: StandardStream | undefined; times?: number } = {},
    ) => {
      const operationId = newId()
      const half = Math.floor(texts.length / 2)
      await write(operationId, texts.slice(0, half))
      const written = write(operationId, texts.slice(half)).then(() => end(operationId, 'OperationTimedOut'))
      const items: FollowedOutput[] = []
      let next = from
      for (let time = 1; items.at(-1)?.kind !== 'end'; time++) {
        const stop = new AbortController()
        let taken = 0
        for await (const item of followOutput(log, operationId, { from: next, stream, signal: stop.signal })) {
          items.push(item)
          if (item.kind === 'chunk') next = item.nextOffset
          taken += 1
          if (time < times && taken === 2) stop.abort()
          if (taken % 5 === 0) await systemClock.sleep(2)
        }
      }
      await written
      const shown = items.map((item) => (item.kind === 'chunk' ? item.text : '')).join('')
      return { shown, last: items.at(-1) }
    }

    test.each([undefined, ...standardStreams])('a follower is given everything to the end, once: %s', async (stream) => {
      const { shown, last } = await followed(longLines, { stream, times: 5 })
      expect(shown === textOf(longLines, stream)).toBe(true)
      expect(last).toEqual({ kind: 'end', state: 'timed-out' })
    })

    test('a follower may begin at any place', async () => {
      const all = Buffer.from(textOf(longLines))
      const from = all.indexOf('🦆') + 2
      const { shown } = await followed(longLines, { from })
      expect(shown === all.toString('utf8', from + 2)).toBe(true)
      expect(await followed(longLines, { from: all.length + 5 })).toEqual({
        shown: '',
        last: { kind: 'end', state: 'timed-out' },
      })
    })

    test('an operation that ended without output has an end', async () => {
      const operationId = newId()
      await end(operationId, 'OperationCancelled')
      const { signal } = new AbortController()
      expect(await Array.fromAsync(followOutput(log, operationId, { signal }))).toEqual([{ kind: 'end', state: 'cancelled' }])
    })

    test('a follower that waits ends with its signal', async () => {
      const operationId = await printed([['stderr', 'waiting']])
      const stop = new AbortController()
      const items: FollowedOutput[] = []
      for await (const item of followOutput(log, operationId, { signal: stop.signal })) {
        items.push(item)
        setImmediate(() => stop.abort())
      }
      expect(items).toEqual([
        { kind: 'chunk', offset: 0, nextOffset: 7, stream: 'stderr', at: expect.stringMatching(/Z$/), text: 'waiting' },
      ])
    })
  })
}
