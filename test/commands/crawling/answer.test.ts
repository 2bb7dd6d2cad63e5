import { expect, test } from 'vitest'
import { answer } from '../../../src/commands/crawling/answer.ts'

const poll = { type: 'PollAnswer', operation: 'o', uuid: 'u' } as const
const deliver = { type: 'DeliverAnswer', operation: 'o', uuid: 'u' } as const

test('an answer is handed out to a poll or to the feed that waited', () => {
  expect(answer.decide(poll, 'open')).toEqual({ events: [{ type: 'AnswerPolled', data: { uuid: 'u' } }] })
  expect(answer.decide(deliver, 'open')).toEqual({ events: [{ type: 'AnswerDelivered', data: { uuid: 'u' } }] })
})

test('never twice', () => {
  const polled = answer.evolve('open', { type: 'AnswerPolled', data: { uuid: 'u' } })
  const delivered = answer.evolve('open', { type: 'AnswerDelivered', data: { uuid: 'u' } })
  expect(answer.decide(poll, polled)).toEqual({ refused: { reason: 'already-taken', by: 'polled' } })
  expect(answer.decide(deliver, polled)).toEqual({ refused: { reason: 'already-taken', by: 'polled' } })
  expect(answer.decide(poll, delivered)).toEqual({ refused: { reason: 'already-taken', by: 'delivered' } })
})

test('an operation’s result is taken without a look at the log, what a Scrapy Cluster answered is not', () => {
  expect(answer.creates?.({ ...poll, isResult: true })).toBe(true)
  expect(answer.creates?.({ ...deliver, isResult: true })).toBe(true)
  expect(answer.creates?.({ ...poll, isResult: false })).toBe(false)
  expect(answer.creates?.({ type: 'ReceiveAnswer', operation: 'o', uuid: 'u', answer: {} })).toBe(false)
})
