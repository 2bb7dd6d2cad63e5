import { Readable } from 'node:stream'
import { z } from 'zod'
import { blob } from '../../commands/blob.ts'
import { blobStream } from '../../events/blob.ts'
import { blobQueries, type StoredBlob } from '../../projections/blobs.ts'
import type { ByteRange } from '../../stores/blobs.ts'
import { headerOf } from '../faces/arrival.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { nativeRoute } from '../faces/native-route.ts'
import { rangeOf } from '../reading/byte-range.ts'
import { reprDigest } from '../reading/repr-digest.ts'
import { etag, isKnown } from '../replies/entity-tags.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { problems } from './schemas.ts'

/** The bytes of a blob, whole or in part. Source: native contract, section 15. */
export const getBlob = nativeRoute({
  method: 'get',
  path: '/v1/blobs/{id}',
  reads: ['blobs'],
  summary: 'Download a blob',
  description:
    'The bytes, with the type that they were sent with. One `Range` is honoured; with `If-Range`, while the ETag is the same.',
  tag: 'blobs',
  scope: 'v1:read',
  params: { id: `sha256-${'0'.repeat(64)}` },
  headers: {
    Range: '`bytes=first-last`, `bytes=first-` or `bytes=-length`',
    'If-Range': 'ETag: another one answers with the whole',
    'If-None-Match': 'ETag that the client has',
  },
  query: z.object({}),
  answers: {
    200: { description: 'The bytes', type: 'application/octet-stream' },
    206: { description: 'The part that `Range` asked for; `Content-Range` says which', type: 'application/octet-stream' },
    304: { description: 'The client has it' },
    ...problems({ 404: 'There is no such blob', 416: 'The blob has no such bytes; `Content-Range` says how many it has' }),
  },
  handle: async ({ c, ports, known, params: { id = '' } }) => {
    const found = blobQueries(known.views('blobs')).byId(id)
    if (found === undefined) throw unknownBlob(id)
    const tag = etag(found.revision)
    if (isKnown(headerOf(c, 'if-none-match'), found.revision)) return { status: 304, headers: { ETag: tag }, body: null }
    const ifRange = headerOf(c, 'if-range')
    const wantsPart = c.method === 'GET' && (ifRange === undefined || ifRange === tag)
    const part = rangeOf(wantsPart ? headerOf(c, 'range') : undefined, found.size)
    if (part === 'unsatisfiable')
      throw new Problem('range-not-satisfiable', `the blob has ${found.size} bytes`, {
        headers: { 'Content-Range': `bytes */${found.size}` },
      })
    const headers = {
      'Content-Type': found.contentType,
      ETag: tag,
      'Accept-Ranges': 'bytes',
      'Content-Disposition': 'attachment',
      'X-Content-Type-Options': 'nosniff',
      'Repr-Digest': reprDigest(id.slice(id.indexOf('-') + 1)),
      'Content-Length': String(part === undefined ? found.size : part.last - part.first + 1),
    }
    if (c.method === 'HEAD') return { status: 200, headers, body: null }
    const body = await contentOf(ports, found, part)
    if (part === undefined) return { status: 200, headers, body }
    return {
      status: 206,
      headers: { ...headers, 'Content-Range': `bytes ${part.first}-${part.last}/${found.size}` },
      body,
    }
  },
})

/** The file is opened before the answer begins, so that one that is not there is a problem and not a cut connection. */
const contentOf = async (
  ports: HttpPorts,
  { id, file, size }: StoredBlob,
  part: ByteRange | undefined,
): Promise<Reply['body']> => {
  const opened = await ports.uploads.open(file, part)
  if (opened?.bytes === size) return Readable.toWeb(opened.content) as ReadableStream<Uint8Array>
  opened?.content.destroy()
  // The view, or the moment that was asked for, may lie before its deletion.
  const { state } = await ports.executor.load(blob, blobStream(id))
  if (state.status !== 'stored' || state.file !== file) throw new Problem('not-found', `the blob ${id} was deleted`)
  const fault = opened === undefined ? 'its file is gone' : `its file has ${opened.bytes} bytes instead of ${size}`
  ports.logger.error({ blob: id, file }, `a blob is damaged: ${fault}`)
  throw new Problem('damaged', `the blob ${id} is damaged: ${fault}; upload it again to mend it`)
}

export const unknownBlob = (id: string): Problem => new Problem('not-found', `there is no blob ${id}`)
