import { systemClock } from '../lib/clock.ts'
import { isObject, type JsonObject } from '../lib/json.ts'
import { CommandFailed } from './exit-codes.ts'
import type { Client } from './http-client.ts'

const longestWaitS = 60
const finished = ['succeeded', 'failed', 'cancelled', 'timed-out']

export const pathOf = (id: string): string => `/v1/operations/${encodeURIComponent(id)}`

/** Asks again and again, each time as long as the server is willing to hold the answer back. */
export async function untilFinished(client: Client, id: string, timeoutS = Number.POSITIVE_INFINITY): Promise<JsonObject> {
  const deadline = systemClock.monotonic() + timeoutS * 1000
  for (;;) {
    const left = Math.max(0, Math.ceil((deadline - systemClock.monotonic()) / 1000))
    const query = new URLSearchParams({ wait: String(Math.min(left, longestWaitS)) })
    const operation = await client.json(pathOf(id), { query })
    if (finished.includes(String(operation.state))) return operation
    if (systemClock.monotonic() >= deadline)
      throw new CommandFailed('waitedTooLong', `operation ${id} is still ${operation.state} after ${timeoutS} s`)
  }
}

/** Throws where the operation ended otherwise than it should. */
export function judge(operation: JsonObject): void {
  if (operation.state === 'succeeded') return
  const message = isObject(operation.error) ? `: ${operation.error.message}` : ''
  throw new CommandFailed('notSucceeded', `operation ${operation.id} ended as ${operation.state}${message}`)
}
