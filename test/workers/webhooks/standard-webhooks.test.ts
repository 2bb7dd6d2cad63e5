import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { signedHeaders } from '../../../src/workers/webhooks/standard-webhooks.ts'

const lower = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

test.each([
  ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', (secret: string) => new Webhook(secret)],
  ['not base64, and ünïcode', (secret: string) => new Webhook(new TextEncoder().encode(secret), { format: 'raw' })],
])('the library of Standard Webhooks verifies what %s signed, and nothing else', (secret, receiver) => {
  const body = JSON.stringify({ data: { text: 'ü' } })
  const signed = signedHeaders({ id: 'one', at: Date.now(), body, secret })
  expect(receiver(secret).verify(body, lower(signed))).toEqual({ data: { text: 'ü' } })
  expect(() => receiver(secret).verify(`${body} `, lower(signed))).toThrow()
  expect(() => receiver(secret).verify(body, lower(signedHeaders({ id: 'one', at: 0, body, secret })))).toThrow(/old/)
})
