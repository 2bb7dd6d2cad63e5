import { answer } from '../../commands/crawling/answer.ts'
import type { Bridge } from '../../commands/crawling/bridge.ts'
import { createClassifier, feed } from '../../commands/crawling/feed.ts'
import type { CrawlingSettings } from '../../commands/crawling/settings.ts'
import { crawlKey } from '../../events/crawling/crawl-key.ts'
import { awaitedUuid, uuidOf } from '../../events/crawling/feed-uuid.ts'
import { exactly } from '../../lib/exact-json.ts'
import { derivedId } from '../../lib/ids.ts'
import type { JsonValue } from '../../lib/json.ts'
import { goneSignal, type HttpContext, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import type { Reply } from '../replies/reply.ts'
import { failure, success } from './envelope.ts'
import { answerRejected, feedHeaders } from './feed.ts'
import { messages } from './messages.ts'
import { type Payload, readPayload } from './payload.ts'

/**
 * `POST /feed` in front of a Scrapy Cluster: passes on whatever was fed, as it came, and waits for the answer where there is a `uuid`. Nothing
 * is refused but in strict mode: the cluster may know requests that are unknown here. Source: crawling contract, sections 4.3 and 8.
 */
export const createForwardingFeed = ({
  ports,
  settings,
  bridge,
  closing,
}: {
  readonly ports: HttpPorts
  readonly settings: Pick<CrawlingSettings, 'responseWaitMs' | 'strict' | 'maxDepth'>
  readonly bridge: Bridge
  /** Aborts when the server goes down. */
  readonly closing: AbortSignal
}): ((c: HttpContext) => Promise<Reply>) => {
  const { executor } = ports
  const classify = createClassifier(settings)

  /** Records that the answer is handed out here, so that no poll gets it; false where it is taken or cannot be recorded. */
  const deliver = async (c: HttpContext, id: string, uuid: string): Promise<boolean> => {
    const context = { ...requestContext(c), commandId: derivedId('deliver', id) }
    try {
      return (await executor.execute(answer, { type: 'DeliverAnswer', operation: id, uuid }, context)).refused === undefined
    } catch {
      return false
    }
  }

  const forwarded = async (
    c: HttpContext,
    { value, text }: Payload,
    {
      class: found,
      correlationId,
    }: { readonly class: Parameters<Bridge['forward']>[0]['class']; readonly correlationId: string },
    headers: Record<string, string>,
  ): Promise<Reply> => {
    const uuid = awaitedUuid(value)
    const bytes = Buffer.from(text.startsWith(byteOrderMark) ? text.slice(1) : text)
    const asking = uuid === undefined || settings.responseWaitMs === 0 ? undefined : bridge.ask(uuid)
    try {
      const context = { ...requestContext(c), correlationId }
      await bridge.forward({ payload: value, bytes, class: found, awaitsAnswer: uuid !== undefined }, context)
      if (uuid === undefined) return answerRejected({ value, text }, headers)
      const signal = AbortSignal.any([goneSignal(c), closing])
      const given = await asking?.answer({ timeoutMs: settings.responseWaitMs, signal })
      const isMine = given !== undefined && !signal.aborted && (given.id === null || (await deliver(c, given.id, uuidOf(uuid))))
      if (isMine) return success(given.answer, headers)
      return success({ poll_id: (exactly(text) as { readonly uuid: JsonValue }).uuid }, headers)
    } finally {
      asking?.leave()
    }
  }

  return async (c) => {
    const payload = await readPayload(c)
    if (payload === undefined) return failure(400, { message: messages.notJson })
    const classified = classify(payload.value)
    const headers = ports.settings.extraHeaders ? feedHeaders(classified) : {}
    const context = requestContext(c)
    if (classified.class !== 'unrecognised') {
      const { request } = classified
      const correlationId = 'uuid' in request ? request.uuid : crawlKey(request)
      return forwarded(c, payload, { class: classified.class, correlationId }, headers)
    }
    if (!settings.strict) return forwarded(c, payload, { class: null, correlationId: context.correlationId }, headers)
    const { nearestClass, errors } = classified
    await executor.execute(
      feed,
      { type: 'RejectFeed', id: context.commandId, payload: payload.value, nearestClass, errors },
      context,
    )
    return failure(400, { message: messages.notInSchema, cause: errors[0].message }, headers)
  }
}

const byteOrderMark = '\uFEFF'
