import type { Readable } from 'node:stream'

/** Large bodies outside the log; events hold the reference. */
export interface Blobs {
  /** Durable when it resolves. Large contents are kept once, however often and by whomever they are put. */
  put(content: Uint8Array): Promise<{ ref: string; bytes: number }>
  /** Undefined where the store has no such content. */
  get(ref: string): Promise<Buffer | undefined>
  /** Undefined where the store has no such content. */
  stream(ref: string): Promise<{ bytes: number; content: Readable } | undefined>
}
