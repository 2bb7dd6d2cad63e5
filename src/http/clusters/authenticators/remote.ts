import type { Logger } from 'pino'
import { messageOf, Unavailable } from '../../../lib/errors.ts'

/** The part of a client for other machines that is needed to ask one about credentials. */
export interface Outbound {
  request(request: {
    readonly url: string
    readonly method: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
    readonly timeoutMs: number
  }): Promise<{ readonly status: number; header(name: string): string | undefined; discard(): void }>
}

export interface RemoteAnswer {
  readonly status: number
  header(name: string): string | undefined
}

/** Asks another server about credentials; undefined where it does not answer. Throws `Unavailable` where too many questions are open. */
export type Remote = (question: {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent as JSON by `POST`; without it the question is a `GET`. */
  readonly body?: unknown
}) => Promise<RemoteAnswer | undefined>

const answersWithinMs = 10_000
const mostQuestions = 64

export const createRemote = ({ outbound, logger }: { readonly outbound: Outbound; readonly logger: Logger }): Remote => {
  let open = 0
  return async ({ url, headers, body }) => {
    if (open >= mostQuestions) throw new Unavailable('too many credentials are being checked')
    open++
    try {
      const answer = await outbound.request({
        url,
        timeoutMs: answersWithinMs,
        ...(body === undefined
          ? { method: 'GET', headers }
          : { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) }),
      })
      answer.discard()
      return answer
    } catch (error) {
      logger.warn({ url: URL.parse(url)?.origin, reason: messageOf(error) }, 'a server that knows credentials does not answer')
      return undefined
    } finally {
      open--
    }
  }
}
