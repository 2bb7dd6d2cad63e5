import type { Readable } from 'node:stream'

/** Large bodies by the SHA-256 of their content; events hold the hash. */
export interface Blobs {
  /** Durable when it resolves; the same content is kept once. */
  put(content: Uint8Array): Promise<{ hash: string; bytes: number }>
  /** Undefined where the store has no such content. */
  get(hash: string): Promise<Buffer | undefined>
  /** Undefined where the store has no such content. */
  stream(hash: string): Promise<{ bytes: number; content: Readable } | undefined>
}
