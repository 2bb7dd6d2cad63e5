import zlib from 'node:zlib'
import { messageOf } from '../../../lib/errors.ts'
import type { Header } from '../../outbound/headers.ts'
import { RequestFailed } from '../../outbound/request-failure.ts'

/** More layers of compression than anybody sends in earnest. */
const maxLayers = 4
/** What one step of a decompression gives at most, in bytes. */
const chunkSize = 64 * 1024
/** Log2 of the largest zstd window, which is memory that the decoder takes: 8 MiB, as RFC 9659 asks of HTTP. */
const zstdWindowLog = 23

/**
 * Undoes what Content-Encoding names, in the threads of zlib; `isLeft` is true when something remains that is not understood. A body
 * that is not in the encoding that it names is given as it came, one that breaks off as far as it goes. Throws `RequestFailed` where the
 * content is larger than `maxBytes`.
 */
export const undoEncodings = async (
  body: Buffer,
  headers: readonly Header[],
  maxBytes: number,
): Promise<{ readonly body: Buffer; readonly isLeft: boolean }> => {
  const named = headers.filter(([name]) => name.toLowerCase() === 'content-encoding').flatMap(([, value]) => value.split(','))
  const layers = named.map((name) => name.trim().toLowerCase()).filter((name) => name !== '' && name !== 'identity')
  if (layers.length > maxLayers) throw new RequestFailed('too_large', `the body is compressed ${layers.length} times`)
  let plain = body
  for (const layer of layers.reverse()) {
    const decoders = decodersOf(layer, plain)
    if (decoders === undefined) return { body: plain, isLeft: true }
    plain = await undo(layer, decoders, plain, maxBytes)
  }
  return { body: plain, isLeft: false }
}

type Stream = zlib.Gunzip | zlib.Inflate | zlib.InflateRaw | zlib.BrotliDecompress | zlib.ZstdDecompress

interface Decoder {
  readonly open: () => Stream
  /** Where in the body it begins. */
  readonly from?: number
  /** It notices by itself when something is not in its encoding. */
  readonly isCertain: boolean
}

/** Decoders to try in turn: none for a plain body, undefined for an unknown encoding. */
const decodersOf = (layer: string, body: Buffer): readonly Decoder[] | undefined => {
  switch (layer) {
    case 'gzip':
    case 'x-gzip':
      // Rubbish after the content, or a wrong checksum, does not make it worthless.
      return startsWith(body, [0x1f, 0x8b]) ? [gunzip, { ...inflateRaw, from: gzipHeaderBytes(body) }] : []
    case 'deflate':
      return hasZlibHeader(body) ? [inflate, { ...inflateRaw, from: 2 }, inflateRaw] : [inflateRaw]
    case 'br':
      return [brotli]
    case 'zstd':
      return startsWith(body, [0x28, 0xb5, 0x2f, 0xfd]) || isSkippableFrame(body) ? [zstd] : []
    default:
      return undefined
  }
}

// A transfer that ends early still gives what has come, as browsers show it.
const early = { chunkSize, finishFlush: zlib.constants.Z_SYNC_FLUSH }
const zstdOptions = { chunkSize, params: { [zlib.constants.ZSTD_d_windowLogMax]: zstdWindowLog } }
const gunzip: Decoder = { open: () => zlib.createGunzip(early), isCertain: true }
const inflate: Decoder = { open: () => zlib.createInflate(early), isCertain: true }
const inflateRaw: Decoder = { open: () => zlib.createInflateRaw(early), isCertain: false }
const brotli: Decoder = { open: () => zlib.createBrotliDecompress({ chunkSize }), isCertain: true }
const zstd: Decoder = { open: () => zlib.createZstdDecompress(zstdOptions), isCertain: true }

const undo = async (layer: string, decoders: readonly Decoder[], body: Buffer, maxBytes: number): Promise<Buffer> => {
  if (body.length === 0) return body
  const isText = looksLikeText(body)
  let error: unknown
  for (const { open, from = 0, isCertain } of decoders) {
    const decoded = await run(open(), body.subarray(from), maxBytes)
    const hasContent = decoded.content.length > 0
    if (decoded.error === undefined && (isCertain || hasContent)) return decoded.content
    // Text that happens to begin like something compressed gives an error sooner or later.
    if (decoded.error !== undefined && hasContent && !isText) return decoded.content
    error ??= decoded.error
  }
  if (error === undefined || isText) return body
  throw new RequestFailed('lost', `the body is not valid ${layer}: ${messageOf(error)}`, { cause: error })
}

const run = (decoder: Stream, body: Buffer, maxBytes: number): Promise<{ readonly content: Buffer; readonly error?: unknown }> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    decoder.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes <= maxBytes) return
      reject(new RequestFailed('too_large', `the decompressed body is larger than ${maxBytes} bytes`))
      decoder.destroy()
    })
    decoder.on('error', (error) => resolve({ content: Buffer.concat(chunks), error }))
    decoder.on('end', () => resolve({ content: Buffer.concat(chunks) }))
    decoder.end(body)
  })

const startsWith = (body: Buffer, bytes: readonly number[]): boolean => bytes.every((byte, index) => body[index] === byte)

/** Up to the compressed content. Source: RFC 1952, section 2.3. */
const gzipHeaderBytes = (body: Buffer): number => {
  const flags = body[3] ?? 0
  let at = 10
  if ((flags & 4) !== 0) at += 2 + (body[at] ?? 0) + 256 * (body[at + 1] ?? 0)
  // Name and comment end with a zero byte each.
  for (const flag of [8, 16]) if ((flags & flag) !== 0) at = body.indexOf(0, at) + 1 || body.length
  return (flags & 2) === 0 ? at : at + 2
}

const isSkippableFrame = (body: Buffer): boolean =>
  ((body[0] ?? 0) & 0xf0) === 0x50 && body[1] === 0x2a && body[2] === 0x4d && body[3] === 0x18

const hasZlibHeader = (body: Buffer): boolean =>
  body.length > 1 && ((body[0] as number) & 15) === 8 && (((body[0] as number) << 8) | (body[1] as number)) % 31 === 0

/** Compressed bytes hold control characters sooner or later; text has none but these. */
const looksLikeText = (body: Buffer): boolean =>
  body
    .subarray(0, 1024)
    .every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0c || byte === 0x0d || byte === 0x1b)
