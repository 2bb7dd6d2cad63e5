import { z } from 'zod'
import { defineEvents, type EventOf } from '../define.ts'

/** An address that is told of failed tasks, stream `robotWebhook-<md5 of the url>`. Source: robot contract, "Events". */
export const webHookEvents = defineEvents('robotWebhook', {
  WebHookAdded: z.object({ url: z.string(), kind: z.literal('eco') }),
  WebHookDeleted: z.object({}),
})
export type WebHookEvent = EventOf<typeof webHookEvents>

/** The stream of a web hook is this and its id. */
export const webHookPrefix = 'robotWebhook-'
