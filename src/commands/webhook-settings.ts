import { z } from 'zod'
import { type Environment, settingsFrom, variablesOf, yesOrNo } from '../lib/environment.ts'
import { type ProxyFor, proxiesOf } from '../lib/proxy-settings.ts'

const WebhookSettings = z.object({
  /** Whether webhooks may send to private and loopback addresses. Default: only where no other machine can reach the server. */
  allowPrivate: yesOrNo.optional(),
})

export interface WebhookSettings {
  readonly allowPrivate: boolean
  /** From WEBHOOKS_PROXY and the variables that name proxies everywhere. */
  readonly proxyFor: ProxyFor
}

/** Throws an `Error` whose message has one line per variable that cannot be honoured. */
export const webhookSettings = (environment: Environment, { isLocal }: { readonly isLocal: boolean }): WebhookSettings => ({
  allowPrivate: settingsFrom('WEBHOOKS', WebhookSettings, environment).allowPrivate ?? isLocal,
  proxyFor: proxiesOf(environment, 'WEBHOOKS_PROXY'),
})

export const webhookVariables = [...variablesOf('WEBHOOKS', WebhookSettings), 'WEBHOOKS_PROXY']
