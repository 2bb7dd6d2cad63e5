import { z } from 'zod'
import { type WebHookEvent, webHookPrefix } from '../../events/robot/web-hook.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import { type Decider, nothing } from '../decider.ts'

/** Tells one address of one failed task. */
export const webHookKind = 'robot.webhook'

export const WebHookInput = z.strictObject({
  url: z.string(),
  /** What is sent, as it is. Secrets are masked. Source: robot contract, section 7. */
  report: z.strictObject({
    service: z.string(),
    action_name: z.string(),
    args: anyJsonObject,
    eco: anyJsonObject,
  }),
})
export type WebHookInput = z.infer<typeof WebHookInput>

export type WebHookCommand = { readonly id: string } & (
  | { readonly type: 'AddWebHook'; readonly url: string }
  | { readonly type: 'DeleteWebHook' }
)

/** Addresses that are told of failed tasks; adding one twice and deleting an unknown one are no mistakes. Source: robot contract, rows 18 to 20. */
export const webHook: Decider<WebHookCommand, WebHookEvent, { readonly isThere: boolean }, never> = {
  category: 'robotWebhook',
  streamOf: ({ id }) => `${webHookPrefix}${id}`,
  initial: { isThere: false },
  memory: 'last',
  evolve: (_state, { type }) => ({ isThere: type === 'WebHookAdded' }),
  decide: (command, { isThere }) => {
    if (command.type === 'DeleteWebHook') return isThere ? { events: [{ type: 'WebHookDeleted', data: {} }] } : nothing
    return isThere ? nothing : { events: [{ type: 'WebHookAdded', data: { url: command.url, kind: 'eco' } }] }
  },
}
