import type { WireRequest } from './load.ts'

/** What takes part in a comparison over HTTP: the product, a floor or a peer. */
export interface Contender extends AsyncDisposable {
  readonly name: string
  readonly url: string
  /** Roots of its process trees. */
  readonly pids: readonly number[]
  /** Asks for an operation that does nothing; answered with 202 once it is acknowledged. */
  readonly submit: WireRequest
  /** The same, answered with 200 when it has succeeded. */
  readonly submitAndWait?: WireRequest
  /** Resolves when nothing of what was submitted (`count`, for who cannot tell what is left) is still to be done. */
  settled?(count?: number): Promise<void>
  /** How many operations have succeeded that were submitted since then (epoch milliseconds). */
  succeeded?(since: number): Promise<number>
  /** Reads an operation named by the answer to its submission. */
  read?(answer: string): WireRequest
}

export const acknowledgedStatus = 202
export const succeededStatus = 200
