import { expect, test } from 'vitest'
import { type FailedEvent, mostParked, type WebhookCommand, webhook, webhookStream } from '../../src/commands/webhook.ts'
import type { WebhookEvent } from '../../src/events/webhook.ts'
import { given } from '../given.ts'

const name = 'orders'
const settings = { url: 'https://example.com/', filter: {}, active: true }
const secret = { $sealed: 'v1.x', subject: 'webhook-1' }
const created: WebhookEvent = { type: 'WebhookCreated', data: { name, ...settings, secret, run: 'one', from: '5' } }
const paused: WebhookEvent = { type: 'WebhookPaused', data: { because: 'paused by tester' } }
const place = (n: number) => ({ id: `event-${n}`, position: `${10 + n}`, stream: 's-1', revision: n, attempts: 20, error: 'no' })
const parked = (n: number): WebhookEvent => ({ type: 'WebhookEventParked', data: { ...place(n), run: 'one' } })
const park = (n: number, run = 'one'): WebhookCommand => ({ type: 'ParkEvent', name, run, event: place(n) as FailedEvent })
const redrive: WebhookCommand = { type: 'RedriveEvent', name, id: 'event-1' }
const redriving: WebhookEvent = { type: 'WebhookRedriveRequested', data: { id: 'event-1' } }
const replace = (more: object = {}): WebhookCommand => ({
  type: 'ReplaceWebhook',
  name,
  ...settings,
  secret: undefined,
  begin: undefined,
  ...more,
})

test('a name is taken once, and free again after the deletion', () => {
  const create: WebhookCommand = { type: 'CreateWebhook', name, ...settings, secret, run: 'two', from: '7' }
  const event: WebhookEvent = { type: 'WebhookCreated', data: { name, ...settings, secret, run: 'two', from: '7' } }
  given(webhook).when(create).then([event])
  given(webhook, [created])
    .when(create)
    .then({ refused: { reason: 'exists' } })
  given(webhook, [event]).when(create).then([])
  given(webhook, [created, { type: 'WebhookDeleted', data: {} }])
    .when(create)
    .then([event])
})

test('what is not there is refused', () => {
  for (const command of [replace(), redrive, { type: 'ResumeWebhook', name }, { type: 'DeleteWebhook', name }] as const)
    given(webhook)
      .when(command)
      .then({ refused: { reason: 'unknown-webhook' } })
})

test('a replacement keeps secret and position unless they are given, and changes nothing where nothing differs', () => {
  given(webhook, [created]).when(replace()).then([])
  given(webhook, [created])
    .when(replace({ url: 'https://other/' }))
    .then([{ type: 'WebhookChanged', data: { ...settings, url: 'https://other/' } }])
  const begin = { run: 'two', from: '0' }
  given(webhook, [created])
    .when(replace({ begin, secret }))
    .then([{ type: 'WebhookChanged', data: { ...settings, secret, ...begin } }])
})

test('beginning anew takes back what was parked behind the new position', () => {
  const state = given(webhook, [
    created,
    parked(1),
    parked(3),
    { type: 'WebhookChanged', data: { ...settings, run: 'two', from: '12' } },
  ]).state()
  expect(state).toMatchObject({ run: 'two', parked: { 'event-1': {} } })
  expect(Object.keys((state as { parked: object }).parked)).toEqual(['event-1'])
})

test('pausing and resuming twice changes nothing', () => {
  const pause: WebhookCommand = { type: 'PauseWebhook', name, because: 'paused by tester' }
  given(webhook, [created]).when(pause).then([paused])
  given(webhook, [created, paused]).when(pause).then([])
  given(webhook, [created, paused])
    .when({ type: 'ResumeWebhook', name })
    .then([{ type: 'WebhookResumed', data: {} }])
  given(webhook, [created]).when({ type: 'ResumeWebhook', name }).then([])
})

test('what an earlier stretch of deliveries says does not count', () => {
  given(webhook, [created]).when(park(1, 'zero')).then([])
  given(webhook, [created]).when({ type: 'PauseWebhook', name, because: 'gone', run: 'zero' }).then([])
  given(webhook, [created, parked(1), redriving])
    .when({ type: 'SettleRedrive', name, run: 'zero', id: 'event-1' })
    .then([])
})

test('a parked event is redriven once, parked again, delivered or discarded', () => {
  given(webhook, [created])
    .when(park(1))
    .then([parked(1)])
  given(webhook, [created])
    .when(redrive)
    .then({ refused: { reason: 'unknown-parked' } })
  given(webhook, [created, parked(1)])
    .when(redrive)
    .then([redriving])
  given(webhook, [created, parked(1), redriving])
    .when(redrive)
    .then([])
  given(webhook, [created, parked(1), redriving])
    .when(park(1))
    .then([parked(1)])
  const settle: WebhookCommand = { type: 'SettleRedrive', name, run: 'one', id: 'event-1' }
  const redriven: WebhookEvent = { type: 'WebhookEventRedriven', data: { id: 'event-1' } }
  given(webhook, [created, parked(1)])
    .when(settle)
    .then([])
  given(webhook, [created, parked(1), redriving])
    .when(settle)
    .then([redriven])
  given(webhook, [created, parked(1), redriving, redriven])
    .when(redrive)
    .then({ refused: { reason: 'unknown-parked' } })
  const discard: WebhookCommand = { type: 'DiscardEvent', name, id: 'event-1' }
  given(webhook, [created, parked(1)])
    .when(discard)
    .then([{ type: 'WebhookEventDiscarded', data: { id: 'event-1' } }])
  given(webhook, [created])
    .when({ ...discard, id: '__proto__' })
    .then({ refused: { reason: 'unknown-parked' } })
})

test('a webhook with too many parked events is paused', () => {
  const many = Array.from({ length: mostParked - 1 }, (_, n) => parked(n))
  given(webhook, [created, ...many])
    .when(park(5_000))
    .then([parked(5_000), { type: 'WebhookPaused', data: { because: '1000 events are parked' } }])
})

test('streams show plain names, and take any other', () => {
  expect(webhookStream('orders.v2')).toBe('webhook-orders.v2')
  expect(webhookStream('a b/ü')).toMatch(/^webhook-[0-9a-f-]{36}$/)
})
