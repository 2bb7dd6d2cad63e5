import type { Logger } from 'pino'
import type { Executor } from '../../commands/execute.ts'
import type { WebhookSettings } from '../../commands/webhook-settings.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Projections } from '../../projections/projection.ts'
import { sourceOf } from '../../stores/cloud-event.ts'
import type { EventLog } from '../../stores/event-log.ts'
import { logIdentity } from '../../stores/log-identity.ts'
import type { Secrets } from '../../stores/secrets.ts'
import { createOutbound } from '../outbound/outbound.ts'
import { createDeliver } from './delivery.ts'
import { createWebhooksService, type WebhooksService } from './webhooks-service.ts'

/** The deliveries of webhooks with a client of their own for requests to other machines. */
export const openWebhooks = (node: {
  readonly log: EventLog
  readonly executor: Executor
  readonly projections: Projections
  readonly secrets: Secrets
  readonly settings: WebhookSettings
  readonly clock: Clock
  readonly logger: Logger
}): WebhooksService => {
  const { log, secrets, settings, clock } = node
  const remedies = { private: 'webhooks may not reach it (WEBHOOKS_ALLOW_PRIVATE)', linkLocal: 'webhooks may not reach it' }
  const addresses = { allowLinkLocal: false, allowPrivate: settings.allowPrivate, remedies }
  const outbound = createOutbound({ addresses, proxyFor: settings.proxyFor, clock })
  let named: string | undefined
  const source = async (): Promise<string> => {
    named ??= sourceOf(await logIdentity(log))
    return named
  }
  return createWebhooksService({ ...node, deliver: createDeliver({ outbound, secrets, source, clock }) })
}
