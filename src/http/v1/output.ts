import { z } from 'zod'
import { operationStream } from '../../commands/operation.ts'
import { outputStream, standardStreams } from '../../events/output.ts'
import { lastLinesFrom } from '../../projections/operations/last-lines.ts'
import { chunkOf, type OutputChunk } from '../../projections/operations/output-chunks.ts'
import { type OutputSlice, outputChunks, readOutput } from '../../projections/operations/read-output.ts'
import { outputSse } from '../events/output-sse.ts'
import { headerOf } from '../faces/arrival.ts'
import { caused, goneSignal, type HttpContext, principalOf } from '../faces/http-context.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { number, wait } from '../reading/query.ts'
import { negotiate } from '../replies/content-negotiation.ts'
import { ndjson } from '../replies/ndjson.ts'
import { Problem } from '../replies/problem.ts'
import { findOperation, hasEnded } from './operation-answer.ts'
import { operationExample, problems } from './schemas.ts'

const representations = ['text/plain', 'application/x-ndjson', 'text/event-stream'] as const
const defaultBytes = 65_536
const mostBytes = 1_048_576
const mostLines = 10_000
/** A search for text of one standard stream answers after this time with what it found, and where to go on. */
const longestScanMs = 5_000

const Query = z.object({
  offset: number(0, Number.MAX_SAFE_INTEGER, 'First byte, counted in the whole output whatever `stream` says'),
  limit: number(1, mostBytes, `Maximum number of bytes; ${defaultBytes} by default, and no limit for application/x-ndjson`),
  stream: z.enum(standardStreams).optional().meta({ description: 'Only this standard stream' }),
  lastLines: number(1, mostLines, 'Begin this many lines before the end; not beside `offset`'),
  wait,
})
type Query = z.output<typeof Query>

export const operationOutput = ({ changes, hub, closing, operationReads: reads }: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'get',
    path: '/v1/operations/{id}/output',
    reads,
    summary: 'Read or follow the output of an operation',
    description:
      '`Output-Next-Offset` is the offset of the next read; `Output-Complete: true` says that the output has ended. By `Accept` also `application/x-ndjson`, one line `{offset, stream, at, text}` for each chunk that is there, and `text/event-stream`: `id` is the next offset, `event` is `stdout` or `stderr`, `data` is the text as a JSON string; when the operation has ended and everything is sent, `event: end` with `data: {"state"}`, and the connection closes.',
    tag: 'operations',
    scope: 'v1:read',
    params: { id: operationExample.id },
    headers: {
      Accept: representations.join(', '),
      'Last-Event-ID': 'Offset from which an event stream goes on; wins over `offset` and `lastLines`',
    },
    query: Query,
    answers: {
      200: { description: 'Bytes of the output, UTF-8', type: 'text/plain; charset=utf-8' },
      ...problems({
        400: 'A parameter is wrong',
        404: 'There is no such operation',
        406: 'The accepted type is not offered',
      }),
    },
    handle: async ({ c, ports, known, params: { id = '' }, query }) => {
      const { log, clock, credentials } = ports
      findOperation({ ports, known }, id)
      const type = negotiate(headerOf(c, 'accept'), representations)
      if (type === undefined) throw new Problem('not-acceptable', `output is offered as ${representations.join(', ')}`)
      refuseCombinations(query, type)
      const { stream, limit = defaultBytes } = query
      const gone = goneSignal(c)
      const upTo = known.asOf ?? undefined
      const lastEventId = type === 'text/event-stream' ? lastEventIdOf(c) : undefined
      const from =
        lastEventId ??
        query.offset ??
        (query.lastLines && (await lastLinesFrom(log, id, { lines: query.lastLines, stream, upTo, signal: gone }))) ??
        0
      if (type === 'text/event-stream') {
        const principal = principalOf(c)
        const isAllowed = (): boolean => credentials.isCurrent(principal)
        return outputSse(c, { log, hub, operationId: id, from, stream, isAllowed, closing })
      }

      const until = clock.monotonic() + longestScanMs
      const isEnough = (): boolean => gone.aborted || clock.monotonic() >= until
      const look = async (offset: number) => {
        // The state is read first: output that was there when the operation had ended is all there is.
        const ended = hasEnded(findOperation({ ports, known }, id))
        const position = known.asOf ?? (await log.head())
        caused(c, { position })
        return { ended, position, ...(await readOutput(log, id, { offset, limit, stream, upTo: position, isEnough })) }
      }
      let slice = await look(from)
      if (isEmpty(slice) && !slice.ended && query.wait !== undefined && query.wait > 0) {
        const news = async (): Promise<true | undefined> => {
          slice = await look(slice.nextOffset)
          return !isEmpty(slice) || slice.ended ? true : undefined
        }
        const signal = AbortSignal.any([closing, gone])
        const output = outputStream(id)
        // No view reads output, so the log itself says that there is more.
        const also = (ring: () => void) =>
          hub.join({ take: (events) => (events.some((event) => event.stream === output) ? ring() : undefined) })
        await changes.until(operationStream(id), news, { timeoutMs: query.wait * 1000, signal, also })
      }

      const { content, parts, ended, position, size } = slice
      const isWhole = type === 'application/x-ndjson' && query.limit === undefined
      const nextOffset = isWhole ? Math.max(from, size) : slice.nextOffset
      const headers = {
        'Output-Next-Offset': String(nextOffset),
        'Output-Complete': String(ended && nextOffset >= size),
        Vary: 'Accept',
      }
      if (type === 'text/plain')
        return { status: 200, headers: { 'Content-Type': 'text/plain; charset=utf-8', ...headers }, body: content }
      const chunks = isWhole
        ? outputChunks(log, id, { offset: from, stream, upTo: position })
        : parts.flatMap((part) => chunkOf(part) ?? [])
      return ndjson(lines(chunks), headers)
    },
  })

const isEmpty = ({ content }: OutputSlice): boolean => content.length === 0

const refuseCombinations = ({ offset, lastLines, limit, wait }: Query, type: (typeof representations)[number]): void => {
  const errors: { pointer: string; message: string }[] = []
  if (offset !== undefined && lastLines !== undefined) errors.push({ pointer: '?lastLines', message: 'not beside offset' })
  if (type === 'text/event-stream')
    for (const [name, value] of Object.entries({ limit, wait }))
      if (value !== undefined) errors.push({ pointer: `?${name}`, message: 'not for an event stream' })
  if (errors.length > 0) throw new Problem('invalid', 'query parameters exclude each other', { errors })
}

/** The offset behind the last message that the client has. */
const lastEventIdOf = (c: HttpContext): number | undefined => {
  const given = headerOf(c, 'last-event-id')
  if (given === undefined) return undefined
  if (/^\d{1,15}$/.test(given)) return Number(given)
  throw new Problem('invalid', 'Last-Event-ID is not an id of this stream', {
    errors: [{ pointer: 'Last-Event-ID', message: 'an offset in bytes' }],
  })
}

async function* lines(chunks: AsyncIterable<OutputChunk> | Iterable<OutputChunk>): AsyncGenerator<string> {
  for await (const { offset, stream, at, text } of chunks) yield JSON.stringify({ offset, stream, at, text })
}
