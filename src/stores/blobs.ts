import type { Readable } from 'node:stream'

/** The first and the last byte of a part, counted from 0. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** What was received: its reference, its length and its SHA-256 in lower-case hexadecimal digits. */
export interface ReceivedBlob {
  readonly ref: string
  readonly bytes: number
  readonly sha256: string
}

/** Contents of any size, in constant memory. A failure of the disk is `Unavailable`; a reference that is unknown is `undefined` or false. */
export interface BlobStreams {
  /** Durable when it resolves. Where `content` throws, nothing is kept and the error goes on to the caller. */
  receive(content: AsyncIterable<Uint8Array>): Promise<ReceivedBlob>
  /** `bytes` is the length of the whole; the part lies within it. The stream is to be read to its end, or destroyed. */
  open(ref: string, part?: ByteRange): Promise<{ bytes: number; content: Readable } | undefined>
  size(ref: string): Promise<number | undefined>
  /** Makes a new file of the content. Rejects where the file cannot be made. */
  copyTo(ref: string, file: string): Promise<boolean>
}

/** Large bodies outside the log; events hold the reference. */
export interface Blobs extends BlobStreams {
  /** Durable when it resolves. Large contents are kept once, however often and by whomever they are put. */
  put(content: Uint8Array): Promise<{ ref: string; bytes: number }>
  get(ref: string): Promise<Buffer | undefined>
}

/**
 * Contents that can be removed again. Each reception is a file of its own, which belongs to whoever recorded its reference. Between the file
 * and the record may lie a crash: what was received is in doubt until it is settled, and what is to be removed is doubted first.
 */
export interface Uploads extends BlobStreams {
  /** To be called before the record of its removal. */
  doubt(ref: string): Promise<void>
  /** Ends the doubt: the content is kept or removed. Changes nothing where it has ended. */
  settle(ref: string, verdict: 'kept' | 'removed'): Promise<void>
  /** References that have been in doubt for this long. */
  inDoubt(forMs: number): Promise<readonly string[]>
  /** Removes receptions that never ended and got no byte for this long. */
  clearUnfinished(idleMs: number): Promise<void>
}
