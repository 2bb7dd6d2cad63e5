import { test } from 'vitest'
import { answer } from '../../../src/commands/crawling/answer.ts'
import { forward } from '../../../src/commands/crawling/forward.ts'
import { receivedItem } from '../../../src/commands/crawling/received-item.ts'
import { given } from '../../given.ts'

const receive = { type: 'ReceiveFeed', id: 'f', payload: { uuid: 'u' }, class: 'stats', awaitsAnswer: true } as const
const received = { type: 'FeedReceived', data: { payload: { uuid: 'u' }, class: 'stats', awaitsAnswer: true } } as const
const confirm = { type: 'ConfirmForward', id: 'f', topic: 't' } as const
const forwarded = { type: 'FeedForwarded', data: { topic: 't' } } as const
const giveUp = { type: 'GiveUpForward', id: 'f', topic: 't', reason: 'why' } as const
const notForwarded = { type: 'FeedNotForwarded', data: { topic: 't', reason: 'why' } } as const

test('a feed is received, then forwarded or not', () => {
  given(forward).when(receive).then([received])
  given(forward, [received]).when(confirm).then([forwarded])
  given(forward, [received]).when(giveUp).then([notForwarded])
})

test('what was repeated is received once, and may still be forwarded after a failure', () => {
  given(forward, [received]).when(receive).then([])
  given(forward, [received, notForwarded]).when(confirm).then([forwarded])
})

test('what was forwarded stays so', () => {
  given(forward, [received, forwarded]).when(receive).then([])
  given(forward, [received, forwarded]).when(confirm).then([])
  given(forward, [received, forwarded]).when(giveUp).then([])
})

test('a payload that is too long is kept in part', () => {
  const payload = { text: 'x'.repeat(200_000) }
  const kept = JSON.stringify(payload).slice(0, 100_000)
  given(forward)
    .when({ ...receive, payload })
    .then([{ type: 'FeedReceived', data: { payload: kept, truncated: true, class: 'stats', awaitsAnswer: true } }])
})

test('an answer that every node hears is recorded once and handed out once', () => {
  const hear = { type: 'ReceiveAnswer', operation: 'm', uuid: 'u', answer: { n: 1 } } as const
  const heard = { type: 'AnswerReceived', data: { uuid: 'u', answer: { n: 1 } } } as const
  const deliver = { type: 'DeliverAnswer', operation: 'm', uuid: 'u' } as const
  const delivered = { type: 'AnswerDelivered', data: { uuid: 'u' } } as const
  given(answer).when(hear).then([heard])
  given(answer, [heard]).when(hear).then([])
  given(answer, [heard]).when(deliver).then([delivered])
  given(answer, [heard, delivered]).when(hear).then([])
  given(answer, [heard, delivered])
    .when({ ...deliver, type: 'PollAnswer' })
    .then({ refused: { reason: 'already-taken', by: 'delivered' } })
})

test('an item is kept once', () => {
  const item = {
    appid: 'a',
    crawlid: 'c',
    url: 'u',
    responseUrl: 'u',
    statusCode: 200,
    encoding: null,
    bytes: 1,
    item: 'i',
    body: 'b',
  }
  given(receivedItem)
    .when({ type: 'KeepItem', id: 'm', item })
    .then([{ type: 'ItemReceived', data: item }])
  given(receivedItem, [{ type: 'ItemReceived', data: item }])
    .when({ type: 'KeepItem', id: 'm', item })
    .then([])
})
