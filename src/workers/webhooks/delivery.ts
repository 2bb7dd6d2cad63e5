import { openValue } from '../../commands/sealing.ts'
import { masked } from '../../events/sealed.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { retryAfterMs } from '../../lib/retry-after.ts'
import type { WebhookRow } from '../../projections/webhooks/webhooks.ts'
import { cloudEventAttributes } from '../../stores/cloud-event.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import type { Secrets } from '../../stores/secrets.ts'
import type { Outbound } from '../outbound/outbound.ts'
import { RequestFailed } from '../outbound/request-failure.ts'
import { signedHeaders } from './standard-webhooks.ts'

/** What came of one try. `gone`: the receiver wants no more. */
export type Delivered =
  | { readonly delivered: true }
  | { readonly delivered: false; readonly error: string; readonly retryAfterMs: number | undefined; readonly gone: boolean }

/**
 * Sends one event once. Rejects with the signal's reason, `SecretForgotten` where the secret was forgotten, and what the store of keys throws.
 */
export type Deliver = (
  webhook: Pick<WebhookRow, 'url' | 'secret'>,
  event: RecordedEvent,
  signal: AbortSignal,
) => Promise<Delivered>

const timeLimitMs = 15_000
/** What a receiver answers is not read beyond this; its connection is closed then. */
const mostAnswerBytes = 64 * 1024
const longestError = 300

export const createDeliver =
  ({
    outbound,
    secrets,
    source,
    clock,
  }: {
    readonly outbound: Outbound
    readonly secrets: Secrets
    /** The attribute `source` of every event. */
    readonly source: () => Promise<string>
    readonly clock: Clock
  }): Deliver =>
  async ({ url, secret }, event, signal) => {
    const attributes = cloudEventAttributes(event, await source())
    const body = JSON.stringify({ ...attributes, datacontenttype: 'application/json', data: masked(event.data) })
    const key = String(await openValue(secret, secrets))
    const headers = {
      'Content-Type': 'application/cloudevents+json',
      ...signedHeaders({ id: event.id, at: clock.now(), body, secret: key }),
    }
    const limits = { timeoutMs: timeLimitMs, maxBytes: mostAnswerBytes }
    try {
      const answer = await outbound.request({ url, method: 'POST', headers, body, signal, ...limits })
      // Read to its end, the connection serves the next event.
      answer.bytes().catch(() => undefined)
      const { status } = answer
      if (status >= 200 && status < 300) return { delivered: true }
      return {
        delivered: false,
        error: status === 410 ? 'the receiver answered 410 Gone' : `the receiver answered ${status}`,
        retryAfterMs: retryAfterMs(answer.header('retry-after'), clock.now()),
        gone: status === 410,
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof RequestFailed)) throw error
      return { delivered: false, error: messageOf(error).slice(0, longestError), retryAfterMs: undefined, gone: false }
    }
  }
