import { z } from 'zod'
import { PlainName } from '../../commands/submit.ts'
import { WebhookFilter } from '../../events/webhook.ts'

const isTarget = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.password === ''
}

const Name = PlainName.refine((name) => name !== '.' && name !== '..', 'not a name that can stand in a path')

const Secret = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !text.startsWith('whsec_') || /^whsec_[A-Za-z0-9+/]{2,}={0,2}$/.test(text), 'base64 has to follow whsec_')
  .meta({
    description:
      'Signs the deliveries: the bytes that follow `whsec_` in base64, or else the whole text. Without it, a secret is made and shown once',
  })

const settings = {
  url: z
    .string()
    .max(2000)
    .refine(isTarget, 'an address with http or https, without user and password')
    .meta({ description: 'Where events are sent to', format: 'uri' }),
  filter: WebhookFilter.default({}).meta({
    description: 'Which events, as `GET /v1/events` takes it: of each member any of its values. Default: all',
  }),
  active: z.boolean().default(true),
}

export const CreateWebhookBody = z
  .strictObject({
    name: Name,
    ...settings,
    from: z.string().max(100).default('head').meta({ description: 'A position: deliveries begin behind it; or `head`' }),
    secret: Secret.optional(),
  })
  .meta({ id: 'WebhookRequest' })

export const ReplaceWebhookBody = z
  .strictObject({
    name: Name.optional(),
    ...settings,
    from: z.string().max(100).optional().meta({ description: 'Begins anew behind this position. Default: goes on where it is' }),
    secret: Secret.optional(),
  })
  .meta({ id: 'WebhookReplacement' })

const instant = z.string().meta({ format: 'date-time', example: '2026-11-21T05:27:00.123Z' })

export const WebhookDocument = z
  .object({
    name: z.string(),
    url: z.string(),
    filter: WebhookFilter,
    active: z.boolean(),
    pausedBecause: z.string().nullable(),
    position: z.string().meta({ description: 'Everything up to here is delivered or parked, except in streams that are behind' }),
    lag: z.number().int().meta({ description: 'Events still to be delivered, among the newest 10,000 of the log' }),
    failures: z.number().int().meta({ description: 'Most failures in a row of an event that is tried again now' }),
    lastError: z.string().nullable().meta({ description: 'Why that event failed' }),
    parked: z.number().int().meta({ description: 'Number of events that were given up' }),
    createdAt: instant,
    revision: z.number().int(),
  })
  .meta({ id: 'Webhook' })

export const CreatedWebhookDocument = WebhookDocument.extend({
  secret: z.string().optional().meta({ description: 'Where it was made; it is not shown again' }),
}).meta({ id: 'CreatedWebhook' })

export const ParkedEventDocument = z
  .object({
    id: z.string().meta({ format: 'uuid' }),
    position: z.string(),
    stream: z.string(),
    attempts: z.number().int(),
    error: z.string(),
    parkedAt: instant,
  })
  .meta({ id: 'ParkedEvent' })

export const webhookExample = {
  name: 'orders',
  url: 'https://example.com/hooks',
  filter: { type: ['OperationSucceeded', 'OperationFailed'] },
  active: true,
  pausedBecause: null,
  position: '0000000000000042',
  lag: 0,
  failures: 0,
  lastError: null,
  parked: 0,
  createdAt: '2026-11-21T05:27:00.123Z',
  revision: 0,
}
