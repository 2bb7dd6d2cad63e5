import { z } from 'zod'
import { defineEvents, type EventOf } from '../define.ts'

/**
 * Who was handed the answer of a request, stream `answer-<operation id>`: the `/feed` that waited for it or a later `/poll`,
 * never both. The answer itself is the operation's result; one that a Scrapy Cluster gave stands here, and its stream is named
 * after its message. Source: crawling contract, sections 3, 8 and 15.
 */
export const answerEvents = defineEvents('answer', {
  AnswerReceived: z.object({ uuid: z.string(), answer: z.json() }),
  AnswerDelivered: z.object({ uuid: z.string() }),
  AnswerPolled: z.object({ uuid: z.string() }),
})
export type AnswerEvent = EventOf<typeof answerEvents>
