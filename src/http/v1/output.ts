import { z } from 'zod'
import { operationStream } from '../../commands/operation.ts'
import { outputStream, standardStreams } from '../../events/output.ts'
import { lastLinesFrom } from '../../projections/operations/last-lines.ts'
import { chunkOf, type OutputChunk } from '../../projections/operations/output-chunks.ts'
import { type OutputSlice, outputChunks, readOutput } from '../../projections/operations/read-output.ts'
import type { Position } from '../../stores/event-log.ts'
import { outputSse } from '../events/output-sse.ts'
import { headerOf } from '../faces/arrival.ts'
import { caused, goneSignal, type HttpContext, principalOf } from '../faces/http-context.ts'
import { type NativeRoute, nativeRoute, type RouteRequest } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { hasEnded } from '../reading/operation-wait.ts'
import { number, wait } from '../reading/query.ts'
import { negotiate } from '../replies/content-negotiation.ts'
import { ndjson } from '../replies/ndjson.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { findOperation } from './operation-answer.ts'
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

const OutputChunkDocument = z
  .object({
    offset: z.number().int(),
    stream: z.enum(standardStreams),
    at: z.string().meta({ format: 'date-time' }),
    text: z.string(),
  })
  .meta({ id: 'OutputChunk', description: 'Text that was recorded in one go, and where it begins in the whole output' })

export const operationOutput = (tools: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'get',
    path: '/v1/operations/{id}/output',
    reads: tools.operationReads,
    summary: 'Read or follow the output of an operation',
    description:
      '`Output-Next-Offset` is the offset of the next read; `Output-Complete: true` says that the output has ended. By `Accept` also `application/x-ndjson`, one line for each chunk that is there, and `text/event-stream`, which follows: `id` is the next offset, `event` is `stdout` or `stderr`, `data` is the text as a JSON string; when the operation has ended and everything is sent, `event: end` with `data: {"state"}`, and the connection closes.',
    tag: 'operations',
    scope: 'v1:read',
    params: { id: operationExample.id },
    headers: {
      Accept: representations.join(', '),
      'Last-Event-ID': 'Offset from which an event stream goes on; wins over `offset` and `lastLines`',
    },
    query: Query,
    answers: {
      200: {
        description: 'The output, UTF-8',
        type: 'text/plain; charset=utf-8',
        otherwise: { 'application/x-ndjson': OutputChunkDocument, 'text/event-stream': z.string() },
      },
      ...problems({
        400: 'A parameter is wrong',
        404: 'There is no such operation',
        406: 'The accepted type is not offered',
      }),
    },
    handle: async (request) => {
      const { c, ports, known, params, query } = request
      const { id } = findOperation({ ports, known }, params.id ?? '')
      const type = negotiate(headerOf(c, 'accept'), representations)
      if (type === undefined) throw new Problem('not-acceptable', `output is offered as ${representations.join(', ')}`)
      refuseCombinations(query, type)
      const asked: Asked = { ...request, id, gone: goneSignal(c) }
      const resumed = type === 'text/event-stream' ? lastEventIdOf(c) : undefined
      const from = resumed ?? (await beginningOf(asked))
      return type === 'text/event-stream' ? followed(tools, asked, from) : read(tools, asked, { from, type })
    },
  })

/** A request for the output of an operation that exists. */
interface Asked extends RouteRequest<Query, unknown> {
  readonly id: string
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal
}

const beginningOf = async ({ ports, known, id, query, gone }: Asked): Promise<number> => {
  const { offset = 0, lastLines: lines, stream } = query
  if (lines === undefined) return offset
  return lastLinesFrom(ports.log, id, { lines, stream, upTo: known.asOf ?? undefined, signal: gone })
}

const followed = ({ hub, closing }: RouteTools, { c, ports, id, query }: Asked, from: number): Reply => {
  const principal = principalOf(c)
  const isAllowed = (): boolean => ports.credentials.isCurrent(principal)
  return outputSse(c, { log: ports.log, hub, operationId: id, from, stream: query.stream, isAllowed, closing })
}

/** What is there of the output, at once or as soon as something is. */
const read = async (
  tools: RouteTools,
  asked: Asked,
  { from, type }: { readonly from: number; readonly type: 'text/plain' | 'application/x-ndjson' },
): Promise<Reply> => {
  const { ports, id, query } = asked
  const slice = await awaitedSlice(tools, asked, from)
  const isWhole = type === 'application/x-ndjson' && query.limit === undefined
  const nextOffset = isWhole ? Math.max(from, slice.size) : slice.nextOffset
  const headers = {
    'Output-Next-Offset': String(nextOffset),
    'Output-Complete': String(slice.ended && nextOffset >= slice.size),
    Vary: 'Accept',
  }
  if (type === 'text/plain')
    return { status: 200, headers: { 'Content-Type': 'text/plain; charset=utf-8', ...headers }, body: slice.content }
  const chunks = isWhole
    ? outputChunks(ports.log, id, { offset: from, stream: query.stream, upTo: slice.position })
    : slice.parts.flatMap((part) => chunkOf(part) ?? [])
  return ndjson(lines(chunks), headers)
}

interface Looked extends OutputSlice {
  readonly ended: boolean
  /** Where the log ended when it was read. */
  readonly position: Position
}

const awaitedSlice = async ({ changes, hub, closing }: RouteTools, asked: Asked, from: number): Promise<Looked> => {
  const { id, query, gone } = asked
  const isEnough = (slice: Looked): boolean => slice.content.length > 0 || slice.ended
  let slice = await look(asked, from)
  const { wait: waitS = 0 } = query
  if (isEnough(slice) || waitS === 0) return slice
  const news = async (): Promise<true | undefined> => {
    slice = await look(asked, slice.nextOffset)
    return isEnough(slice) ? true : undefined
  }
  const output = outputStream(id)
  // No view reads output, so the log itself says that there is more.
  const also = (ring: () => void) =>
    hub.join({ take: (events) => (events.some((event) => event.stream === output) ? ring() : undefined) })
  const signal = AbortSignal.any([closing, gone])
  await changes.until(operationStream(id), news, { timeoutMs: waitS * 1000, signal, also })
  return slice
}

const look = async ({ c, ports, known, id, query, gone }: Asked, offset: number): Promise<Looked> => {
  const { log, clock } = ports
  const { stream, limit = defaultBytes } = query
  // The state is read first: output that was there when the operation had ended is all there is.
  const ended = hasEnded(findOperation({ ports, known }, id))
  const position = known.asOf ?? (await log.head())
  caused(c, { position })
  const until = clock.monotonic() + longestScanMs
  const isEnough = (): boolean => gone.aborted || clock.monotonic() >= until
  return { ended, position, ...(await readOutput(log, id, { offset, limit, stream, upTo: position, isEnough })) }
}

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
