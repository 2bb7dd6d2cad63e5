import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import '../../../src/bus/kafka/idle-request-queue.ts'

/** What the queue is given of a connection that answers nothing. */
const connection = {
  maxInFlightRequests: 1,
  requestTimeout: 1_000,
  enforceRequestTimeout: false,
  clientId: 'test',
  broker: 'nowhere:9092',
  logger: { debug: () => undefined },
}
const request = (correlationId: number, sent: number[]) => ({
  entry: { correlationId, apiKey: 1, apiName: 'Test', apiVersion: 1, resolve: () => undefined },
  expectResponse: true,
  sendRequest: () => sent.push(correlationId),
})

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a queue in which nothing waits is not looked at', () => {
  const queue = new RequestQueue(connection)
  const sent: number[] = []
  queue.push(request(1, sent))
  queue.checkPendingRequests()
  expect(sent).toEqual([1])
  expect(vi.getTimerCount()).toBe(0)
})

test('what waits goes out when there is room, and when a throttle is over', () => {
  const queue = new RequestQueue(connection)
  const sent: number[] = []
  queue.push(request(1, sent))
  queue.push(request(2, sent))
  expect(sent).toEqual([1])
  queue.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 })
  expect(sent).toEqual([1, 2])
  queue.fulfillRequest({ correlationId: 2, payload: Buffer.alloc(0), size: 0 })
  queue.maybeThrottle(500)
  queue.push(request(3, sent))
  vi.advanceTimersByTime(499)
  expect(sent).toEqual([1, 2])
  vi.advanceTimersByTime(20)
  expect(sent).toEqual([1, 2, 3])
  vi.advanceTimersByTime(1_000)
  expect(vi.getTimerCount()).toBe(0)
})
