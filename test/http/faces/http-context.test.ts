import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { goneSignal, type HttpContext } from '../../../src/http/faces/http-context.ts'

test('many waits of one request listen to its response once, and all end when the client goes', () => {
  const outgoing = Object.assign(new EventEmitter(), { closed: false, writableFinished: false })
  const c = { outgoing } as unknown as HttpContext
  const signals = Array.from({ length: 25 }, () => goneSignal(c))
  expect(outgoing.listenerCount('close')).toBe(1)
  outgoing.emit('close')
  expect(signals.every(({ aborted }) => aborted)).toBe(true)
})
