import type { WebhookProgressEvent } from '../events/webhook.ts'
import type { Decider } from './decider.ts'

export interface WebhookProgressCommand {
  readonly run: string
  readonly events: readonly WebhookProgressEvent[]
}

/**
 * How far deliveries have come. Whoever delivers is the only one that writes here: it pins the revision, and so learns when another node
 * has taken over.
 */
export const webhookProgress: Decider<WebhookProgressCommand, WebhookProgressEvent, null, never> = {
  category: 'webhookProgress',
  streamOf: ({ run }) => `webhookProgress-${run}`,
  initial: null,
  evolve: () => null,
  decide: ({ events }) => ({ events }),
  memory: 'last',
}
