import { z } from 'zod'
import { blob } from '../../commands/blob.ts'
import { blobIdOf, blobStream, isBlobId } from '../../events/blob.ts'
import { eventId } from '../../lib/ids.ts'
import { blobQueries, type StoredBlob } from '../../projections/blobs.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import { lastOfStream } from '../../stores/last-of-stream.ts'
import { headerOf } from '../faces/arrival.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { ReceivedBody } from '../faces/received-body.ts'
import { cursor, limit } from '../reading/query.ts'
import { receiveBody } from '../reading/receive-body.ts'
import { pinnedRevision, versionMismatch } from '../replies/entity-tags.ts'
import { json } from '../replies/json.ts'
import { listReplies, listResponse, paged } from '../replies/lists.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { getBlob, unknownBlob } from './blob-content.ts'
import { problems } from './schemas.ts'

const example = {
  id: 'sha256-5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
  size: 6,
  contentType: 'text/plain',
  createdAt: '2026-11-21T15:18:37.788Z',
}

const BlobDocument = z
  .object({
    id: z.string().meta({ description: '`sha256-` and the SHA-256 of the bytes in hexadecimal digits' }),
    size: z.number().int(),
    contentType: z.string(),
    createdAt: z.string().meta({ format: 'date-time' }),
  })
  .meta({ id: 'Blob' })

const shown = ({ id, size, contentType, createdAt }: Pick<StoredBlob, 'id' | 'size' | 'contentType' | 'createdAt'>) => ({
  id,
  size,
  contentType,
  createdAt,
})

const reads = ['blobs']
/** Uploads at a time; each holds a file and a connection for as long as its client takes. */
const mostUploads = 256
const defaultType = 'application/octet-stream'
const longestType = 255

const postBlob = (): NativeRoute => {
  let underWay = 0

  const receive = async (c: HttpContext, { uploads, settings }: HttpPorts): Promise<ReceivedBody> => {
    typeOf(c)
    if (underWay >= mostUploads) throw new Problem('overloaded', `${mostUploads} uploads are under way`)
    underWay++
    try {
      return await receiveBody(c, uploads, settings.maxBlobBytes)
    } finally {
      underWay--
    }
  }

  return nativeRoute({
    method: 'post',
    path: '/v1/blobs',
    summary: 'Upload a blob',
    description:
      'The body is stored as it comes, in constant memory, and may take any time while it moves (`BODY_IDLE_MS`). The same bytes again are the same blob.',
    tag: 'blobs',
    scope: 'v1:write',
    headers: {
      'Content-Type': `Any; kept with the blob. Default \`${defaultType}\``,
      'Repr-Digest': '`sha-256=:<base64>:`: other bytes are refused',
    },
    body: z.unknown(),
    bodyType: defaultType,
    optionalBody: true,
    examples: { 'A line of text': 'hello\n' },
    answers: {
      200: { description: 'The same bytes were stored before', schema: BlobDocument, example },
      201: { description: 'Stored; `Location` names it', schema: BlobDocument, example },
      ...problems({
        400: 'A header is malformed, the body was cut off, or `Repr-Digest` names other bytes',
        408: 'No byte came for `BODY_IDLE_MS`',
        413: 'The body is over `MAX_BLOB_BYTES`',
        415: 'The body has a `Content-Encoding`',
      }),
    },
    receive,
    handle: async ({ c, ports }) => {
      const { ref, bytes, sha256, take } = received(c)
      const { uploads } = ports
      const id = blobIdOf(sha256)
      const context = requestContext(c)
      const mends = await isBroken(ports, id)
      take()
      const command = { type: 'StoreBlob', id, size: bytes, contentType: typeOf(c), file: ref, mends } as const
      const { state, revision, position } = accepted(await ports.executor.execute(blob, command, context))
      // It has become the blob's file, or the bytes are there already.
      await uploads.settle(ref, state.status === 'stored' && state.file === ref ? 'kept' : 'removed')
      caused(c, { position, revision })
      if (position !== null) await ports.projections.reached(position, { timeoutMs: caughtUpWithinMs, names: reads })
      const event = await eventAt(ports, blobStream(id), revision)
      // An append that a crash hid from its client is this very command.
      const isNew = position !== null || event.id === eventId(context.commandId, 0)
      const { size, contentType } = event.data as { size: number; contentType: string }
      const body = shown({ id, size, contentType, createdAt: event.recordedAt })
      return json(body, isNew ? 201 : 200, { Location: `/v1/blobs/${id}` })
    },
  })
}

/** How long an answer waits for the view, so that the client finds what it stored. */
const caughtUpWithinMs = 2_000

const received = ({ received }: HttpContext): ReceivedBody => {
  if (received === undefined) throw new Error('the body was not received')
  return received
}

/** The only refusal is that of a pinned revision, and none was pinned. */
const accepted = <Outcome extends { readonly refused?: unknown }>(
  outcome: Outcome,
): Extract<Outcome, { refused?: undefined }> => {
  if (outcome.refused !== undefined) throw new Error('storing a blob was refused')
  return outcome as Extract<Outcome, { refused?: undefined }>
}

/** Whether a blob is stored whose file is gone or has another length. */
const isBroken = async ({ executor, uploads }: HttpPorts, id: string): Promise<boolean> => {
  const { state } = await executor.load(blob, blobStream(id))
  return state.status === 'stored' && (await uploads.size(state.file)) !== state.size
}

const eventAt = async ({ log }: HttpPorts, stream: string, revision: number): Promise<RecordedEvent> => {
  for await (const event of log.readStream(stream, { from: revision, limit: 1 })) return event
  throw new Error(`the stream ${stream} has no revision ${revision}`)
}

const typeOf = (c: HttpContext): string => {
  const type = headerOf(c, 'content-type')?.trim() || defaultType
  if (type.length <= longestType && /^[\x20-\x7e]+$/.test(type)) return type
  throw new Problem('invalid', `Content-Type must be at most ${longestType} visible ASCII characters`)
}

const listBlobs = nativeRoute({
  method: 'get',
  path: '/v1/blobs',
  reads,
  summary: 'List blobs',
  description: 'The newest first.',
  tag: 'blobs',
  scope: 'v1:read',
  query: z.object({
    limit: limit(),
    cursor,
    unused: z
      .enum(['true', 'false'])
      .transform((text) => text === 'true')
      .optional()
      .meta({
        description: '`true`: only those that no operation uses that has not ended; `false`: only the others',
        type: 'boolean',
      }),
  }),
  answers: listReplies(BlobDocument),
  handle: ({ known, query }) => listResponse(blobQueries(known.views('blobs')).list(paged(query, ['string'])), known, shown),
})

const deleteBlob = nativeRoute({
  method: 'delete',
  path: '/v1/blobs/{id}',
  reads,
  summary: 'Delete a blob',
  tag: 'blobs',
  scope: 'v1:write',
  params: { id: example.id },
  headers: { 'If-Match': 'ETag that the blob must have' },
  answers: {
    204: { description: 'It is deleted' },
    ...problems({
      404: 'There is no such blob',
      409: 'An operation that has not ended uses it; or the same Idempotency-Key is being processed right now',
      412: 'The blob has another ETag',
    }),
  },
  handle: async ({ c, ports, known, params: { id = '' } }) => {
    const { log, projections, executor, uploads, blobFiles, logger } = ports
    const ifMatch = headerOf(c, 'if-match')
    const removed = await blobFiles.removing(async () => {
      // An operation that was accepted a moment ago counts.
      if (!(await projections.reached(await log.head(), { timeoutMs: caughtUpWithinMs, names: reads })))
        throw new Problem('not-caught-up', 'the view of blobs has not reached the end of the log')
      const queries = blobQueries(known.views('blobs'))
      const found = queries.byId(id)
      if (found === undefined) return undefined
      const user = queries.userOf(id)
      if (user !== undefined)
        throw new Problem('in-use', `the operation ${user} uses the blob ${id} and has not ended`, { operationId: user })
      const { file, revision } = found
      await uploads.doubt(file)
      const outcome = await executor.execute(
        blob,
        { type: 'DeleteBlob', id },
        requestContext(c),
        // Another file under this id, stored a moment ago, is not the one that was asked about.
        { pinnedRevision: pinnedRevision(ifMatch, revision) ?? revision },
      )
      return { file, outcome }
    })
    if (removed === undefined) return wasDeletedBy(c, ports, id)
    const { file, outcome } = removed
    if (outcome.refused !== undefined) {
      if (outcome.refused.reason === 'version-mismatch' && ifMatch !== undefined) throw versionMismatch(ifMatch, outcome.revision)
      return wasDeletedBy(c, ports, id)
    }
    const { position } = outcome
    caused(c, { position })
    if (position !== null) await projections.reached(position, { timeoutMs: caughtUpWithinMs, names: reads })
    // Where it fails, the file stays in doubt, and is removed later.
    await uploads
      .settle(file, 'removed')
      .catch((error: unknown) => logger.warn({ err: error, file }, 'a deleted blob is still on the disk'))
    return { status: 204, headers: {}, body: null }
  },
})

/** What is not there may have been deleted by this very command, whose answer a crash hid from its client. */
const wasDeletedBy = async (c: HttpContext, { log }: HttpPorts, id: string): Promise<Reply> => {
  const last = isBlobId(id) && c.repeated ? await lastOfStream(log, blobStream(id)) : undefined
  if (last?.id !== eventId(requestContext(c).commandId, 0)) throw unknownBlob(id)
  caused(c, { position: last.position })
  return { status: 204, headers: {}, body: null }
}

/** Uploaded contents: the bytes are files, who stored and deleted them is in the log. Source: native contract, section 15. */
export const blobRoutes = (): readonly NativeRoute[] => [postBlob(), listBlobs, getBlob, deleteBlob]
