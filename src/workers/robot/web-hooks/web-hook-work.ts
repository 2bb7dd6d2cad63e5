import type { RobotFaceSettings } from '../../../commands/robot/settings.ts'
import { WebHookInput, webHookKind } from '../../../commands/robot/web-hook.ts'
import type { Clock } from '../../../lib/clock.ts'
import { decoded } from '../../../lib/proxy-settings.ts'
import { createOutbound } from '../../outbound/outbound.ts'
import { RequestFailed } from '../../outbound/request-failure.ts'
import { type Work, WorkFailed } from '../../work.ts'

const tries = 3
const timeLimitMs = 10_000
/** Beyond the time of the request itself. */
const marginMs = 20_000
/** As many as the original's client follows are never needed. */
const mostRedirects = 5
/** What a receiver answers is not read beyond this. */
const mostAnswerBytes = 64 * 1024

/** Tells an address of a failed task. Its result says what was answered. Source: robot contract, section 7. */
export const webHookWork = ({ settings, clock }: { readonly settings: RobotFaceSettings; readonly clock: Clock }): Work => {
  const remedies = { private: 'web hooks may not reach it (ROBOT_ALLOW_PRIVATE)', linkLocal: 'web hooks may not reach it' }
  const addresses = { allowLinkLocal: false, allowPrivate: settings.allowPrivate, remedies }
  const outbound = createOutbound({ addresses, proxyFor: settings.proxyFor, clock })
  return {
    kind: webHookKind,
    face: 'robot',
    description: 'Tells an address of a failed task',
    submittable: false,
    input: WebHookInput,
    policy: {
      attempts: tries,
      timeoutMs: timeLimitMs + marginMs,
      backoff: { initialMs: 500, factor: 4, maxMs: 60_000 },
      whenLost: 'retry',
    },
    run: async ({ url, report }, { signal }) => {
      try {
        const answer = await outbound.request({
          ...{ ...addressed(url), method: 'POST', body: JSON.stringify(report) },
          ...{ redirects: mostRedirects, timeoutMs: timeLimitMs, maxBytes: mostAnswerBytes, signal },
        })
        answer.discard()
        const { status } = answer
        if (status >= 200 && status < 300) return { status }
        throw new WorkFailed('refused', `the receiver answered ${status}`, { retryable: true, details: { status } })
      } catch (error) {
        if (!(error instanceof RequestFailed)) throw error
        const { reason, message, retryable } = error
        throw new WorkFailed(reason.replaceAll('_', '-'), message, { retryable })
      }
    },
  } satisfies Work<WebHookInput> as Work
}

/** User and password of an address are sent as Basic credentials. */
const addressed = (text: string): { readonly url: string; readonly headers: Readonly<Record<string, string>> } => {
  const url = new URL(text)
  const login = `${decoded(url.username)}:${decoded(url.password)}`
  url.username = ''
  url.password = ''
  const type = { 'Content-Type': 'application/json' }
  if (login === ':') return { url: url.href, headers: type }
  return { url: url.href, headers: { ...type, Authorization: `Basic ${Buffer.from(login, 'utf8').toString('base64')}` } }
}
