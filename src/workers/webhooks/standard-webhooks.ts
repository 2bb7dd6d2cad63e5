import { createHmac } from 'node:crypto'

const prefix = 'whsec_'

/** The bytes that sign: what follows `whsec_`, from base64, else the UTF-8 of the whole secret. */
const keyOf = (secret: string): Buffer =>
  secret.startsWith(prefix) ? Buffer.from(secret.slice(prefix.length), 'base64') : Buffer.from(secret, 'utf8')

/** The headers that sign one message. Source: Standard Webhooks 1.0. `at` is in milliseconds since the epoch. */
export const signedHeaders = ({
  id,
  at,
  body,
  secret,
}: {
  readonly id: string
  readonly at: number
  readonly body: string
  readonly secret: string
}): Readonly<Record<string, string>> => {
  const timestamp = String(Math.floor(at / 1000))
  const signature = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'Webhook-Id': id, 'Webhook-Timestamp': timestamp, 'Webhook-Signature': `v1,${signature}` }
}
