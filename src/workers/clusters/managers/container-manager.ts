import type { JsonObject } from '../../../lib/json.ts'

/** What keeps the nodes of a cluster. Each call rejects with `ManagerRefused`, or with the reason of its signal. Source: clusters contract, section 6.7. */
export interface ContainerManager {
  /** Makes a host a node; one that is a node already is accepted. */
  register(address: string, signal: AbortSignal): Promise<void>
  /** Ends that; a host that is not a node is accepted. `timeoutMs` where it has to be short. */
  remove(address: string, signal: AbortSignal, timeoutMs?: number): Promise<void>
  /** What the manager says of a node. */
  status(address: string, signal: AbortSignal): Promise<JsonObject>
}

/** The manager said no, was not reached, or its configuration cannot be used. The message holds no secret. */
export class ManagerRefused extends Error {
  override readonly name = 'ManagerRefused'
  /** Whether nothing is known of the answer: what was asked for may have happened, or happen yet. */
  readonly isUnanswered: boolean
  constructor(
    message: string,
    { isUnanswered = false, cause }: { readonly isUnanswered?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause })
    this.isUnanswered = isUnanswered
  }
}
