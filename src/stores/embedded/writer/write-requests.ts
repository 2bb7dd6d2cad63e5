import type { AppendRequest } from '../../encode-append.ts'

/** Erases a key stream and its traces in the log's files. */
export interface ForgetRequest {
  readonly kind: 'forget'
  readonly stream: string
  readonly size: number
}

/** Finds out whether the log can be written again. */
export interface ProbeRequest {
  readonly kind: 'probe'
  readonly stream: ''
  readonly size: 0
}

export type WriteRequest = AppendRequest | ForgetRequest | ProbeRequest

/** `recordedAt` holds for the whole batch, milliseconds since the epoch. */
export interface Batch {
  readonly recordedAt: number
  readonly requests: readonly WriteRequest[]
}

/** Answers in the order of the requests; positions are sequence numbers. */
export type WriteResult =
  | { readonly done: 'appended' | 'repeated'; readonly revision: number; readonly position: number }
  | { readonly done: 'conflict'; readonly actual: number }
  | { readonly done: 'forgotten' }
  | { readonly done: 'failed'; readonly message: string }

export interface BatchResult {
  readonly results: readonly WriteResult[]
  /** The last position that is on disk, as far as the writer knows. */
  readonly last: number
  /** Whether the write-ahead log wants a checkpoint. */
  readonly walGrown: boolean
}
