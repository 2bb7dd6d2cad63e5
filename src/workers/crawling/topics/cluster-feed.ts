import type { Logger } from 'pino'
import type { TopicMessage } from '../../../bus/message-topics.ts'
import { createClassifier, feed } from '../../../commands/crawling/feed.ts'
import type { CrawlingSettings } from '../../../commands/crawling/settings.ts'
import { submissionOf } from '../../../commands/crawling/submission.ts'
import type { CommandContext, Executor } from '../../../commands/execute.ts'
import type { Submit } from '../../../commands/submit.ts'
import type { FeedClass, FeedError } from '../../../events/crawling/feed.ts'
import { messageOf, Unacceptable } from '../../../lib/errors.ts'
import type { JsonValue } from '../../../lib/json.ts'
import { jsonOf, messageId } from './topic-messages.ts'

const actor = { principal: 'kafka', face: 'crawling', address: null }

/**
 * Takes what other programs feed by Kafka as `/feed` takes it. The command is the message: delivered again it is the same one. Rejects
 * where the log cannot take it now. Source: crawling contract, sections 4 and 8.
 */
export const createClusterFeed = ({
  executor,
  submit,
  settings,
  logger,
}: {
  readonly executor: Executor
  readonly submit: Submit
  readonly settings: Pick<CrawlingSettings, 'maxDepth'>
  readonly logger: Logger
}): ((message: TopicMessage) => Promise<void>) => {
  const classify = createClassifier(settings)

  const reject = async (
    context: CommandContext,
    payload: JsonValue,
    nearestClass: FeedClass | null,
    errors: readonly FeedError[],
  ): Promise<void> => {
    await executor.execute(feed, { type: 'RejectFeed', id: context.commandId, payload, nearestClass, errors }, context)
  }

  return async (message) => {
    const id = messageId(message)
    const context: CommandContext = { commandId: id, actor, correlationId: id }
    const payload = jsonOf(message)
    if (payload === undefined) {
      const { topic, partition, offset } = message
      logger.warn({ topic, partition, offset }, 'a message that is not JSON was fed')
      return reject(context, String(message.value ?? ''), null, [{ pointer: '', message: 'is not JSON' }])
    }
    const classified = classify(payload)
    if (classified.class === 'unrecognised') return reject(context, payload, classified.nearestClass, classified.errors)
    const { correlationId, ...submission } = submissionOf(classified)
    try {
      const submitted = await submit(submission, { ...context, correlationId }, { internal: true })
      if (submitted.refused === undefined) return
      // Never so by our own schemas; were it so, what comes after it must not wait for ever.
      await reject(context, payload, classified.class, [{ pointer: '', message: submitted.refused.reason }])
    } catch (error) {
      if (!(error instanceof Unacceptable)) throw error
      await reject(context, payload, classified.class, [{ pointer: '', message: messageOf(error) }])
    }
  }
}
