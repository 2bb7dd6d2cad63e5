import type { Logger } from 'pino'
import type { TopicMessage } from '../../../bus/message-topics.ts'
import { receivedItem } from '../../../commands/crawling/received-item.ts'
import type { Executor } from '../../../commands/execute.ts'
import { withoutUserinfo } from '../../../events/crawling/userinfo.ts'
import { secretMask } from '../../../events/sealed.ts'
import { Unacceptable } from '../../../lib/errors.ts'
import { isObject, type JsonObject, type JsonValue } from '../../../lib/json.ts'
import type { Blobs } from '../../../stores/blobs.ts'
import { isSecretHeader } from '../fetch/site-secrets.ts'
import { messageId, objectOf } from './topic-messages.ts'

const actor = { principal: 'scrapy-cluster', face: 'crawling', address: null }
const text = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '')

/** Keeps what a Scrapy Cluster has crawled as if it had been crawled here. Source: crawling contract, sections 7 and 8. */
export const createBridgeItems =
  ({ executor, blobs, logger }: { readonly executor: Executor; readonly blobs: Blobs; readonly logger: Logger }) =>
  async (message: TopicMessage): Promise<void> => {
    const { topic, partition, offset } = message
    const item = objectOf(message)
    // The original sends a text for items that it cannot write.
    if (item === undefined || typeof item.appid !== 'string' || typeof item.crawlid !== 'string') {
      logger.warn({ topic, partition, offset }, 'a message that is not an item is skipped')
      return
    }
    const id = messageId(message)
    const { body: given, body_base64: isBase64, ...rest } = item
    const bytes = Buffer.from(text(given), isBase64 === true ? 'base64' : 'utf8')
    // The text is kept in UTF-8, whatever the page was written in.
    const encoding = isBase64 === true ? null : 'utf-8'
    const document: JsonObject = { ...withoutSecrets(rest), encoding }
    const [body, described] = await Promise.all([blobs.put(bytes), blobs.put(Buffer.from(JSON.stringify(document)))])
    const command = {
      type: 'KeepItem',
      id,
      item: {
        appid: item.appid,
        crawlid: item.crawlid,
        url: text(document.url),
        responseUrl: text(document.response_url),
        statusCode: Number.isInteger(item.status_code) ? Number(item.status_code) : 0,
        encoding,
        bytes: bytes.length,
        item: described.ref,
        body: body.ref,
      },
    } as const
    try {
      await executor.execute(receivedItem, command, { commandId: id, actor, correlationId: id })
    } catch (error) {
      if (!(error instanceof Unacceptable)) throw error
      logger.error({ topic, partition, offset }, 'an item cannot be recorded')
    }
  }

/** An item of a Scrapy Cluster shows the cookie of its crawl and the password of its address; here neither is kept. */
const withoutSecrets = (item: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(item).map(([name, value]) => {
      if ((name === 'url' || name === 'response_url') && typeof value === 'string') return [name, withoutUserinfo(value)]
      return [name, name === 'request_headers' && isObject(value) ? withoutSecretHeaders(value as JsonObject) : value]
    }),
  )

const withoutSecretHeaders = (headers: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, isSecretHeader(name) ? [secretMask] : value]))
