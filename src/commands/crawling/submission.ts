import { crawlKey } from '../../events/crawling/crawl-key.ts'
import type { JsonValue } from '../../lib/json.ts'
import type { SubmitRequest } from '../submit.ts'
import type { Classified, Unrecognised } from './feed.ts'

const kinds = { stop: 'crawling.stop', info: 'crawling.info' } as const

/** The operation that a recognised payload asks for, however it was fed. */
export const submissionOf = (request: Exclude<Classified, Unrecognised>): SubmitRequest & { readonly correlationId: string } => {
  if (request.class === 'crawl') {
    const key = crawlKey(request.request)
    const externalRef = `crawl-${key}`
    return { kind: 'crawling.crawl', input: request.request as unknown as JsonValue, externalRef, correlationId: key }
  }
  const asked = request.request
  const action = 'action' in asked ? asked.action : undefined
  const kind = request.class === 'action' ? kinds[action as keyof typeof kinds] : `crawling.${request.class}`
  return { kind, input: asked as unknown as JsonValue, externalRef: asked.uuid, correlationId: asked.uuid }
}
