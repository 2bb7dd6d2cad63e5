import { systemClock } from '../../src/lib/clock.ts'
import type { ClusterNode } from './cluster.ts'
import type { Json } from './harness.ts'

/** Requests that a client made until one of the servers said yes. */
export interface Load {
  /** Ids of acknowledged operations, by the client's key. */
  readonly acknowledged: Map<string, string>
  /** What made clients try again, statuses and broken connections, with how often. */
  readonly retries: () => Readonly<Record<string, number>>
  readonly sent: () => number
  /** Sends no more once `least` operations have been sent; resolves when all are acknowledged. */
  readonly end: () => Promise<void>
}

const everyMs = 10
const answerWithinMs = 10_000
const mostUnanswered = 500
const firstPauseMs = 300
const longestPauseMs = 5_000
/** The key is in work on that server; the machine was too busy to let the request arrive. */
const tryAgain: readonly number[] = [409, 408]

/**
 * 100 operations a second until it is ended, at least `least` of them; no further ones while 500 are not acknowledged. A client that gets no answer, or 408, 409 or
 * 5xx, asks the other server with the same `Idempotency-Key`, for as long as it takes, with longer and longer pauses.
 */
export const openLoad = (servers: readonly ClusterNode[], least: number, request: (index: number) => Json): Load => {
  const acknowledged = new Map<string, string>()
  const retries: Record<string, number> = {}
  let sent = 0
  let isEnding = false

  const submit = async (index: number): Promise<void> => {
    const key = `operation-${index}`
    const body = JSON.stringify(request(index))
    let pauseMs = firstPauseMs
    for (let attempt = index; ; attempt++) {
      const server = servers[attempt % servers.length] as ClusterNode
      const answer = await fetch(`${server.url()}/v1/operations`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key },
        body,
        signal: AbortSignal.timeout(answerWithinMs),
      })
        .then(async (response) => ({ status: response.status, text: await response.text() }))
        .catch(() => undefined)
      if (answer !== undefined && answer.status < 300) {
        acknowledged.set(key, (JSON.parse(answer.text) as { id: string }).id)
        return
      }
      if (answer !== undefined && answer.status < 500 && !tryAgain.includes(answer.status))
        throw new Error(`${server.name} answered ${answer.status}: ${answer.text}`)
      const why = answer?.status ?? 'no answer'
      retries[why] = (retries[why] ?? 0) + 1
      await systemClock.sleep(pauseMs)
      pauseMs = Math.min(2 * pauseMs, longestPauseMs)
    }
  }

  const run = async (): Promise<void> => {
    const all: Promise<void>[] = []
    let due = 1
    for (let last = systemClock.monotonic(); sent < least || !isEnding; ) {
      // A machine that is too slow for all this is asked less often, not for everything at once later.
      if (sent - acknowledged.size >= mostUnanswered) due = sent
      while (sent < due) all.push(submit(sent++))
      await systemClock.sleep(everyMs)
      const now = systemClock.monotonic()
      due += (now - last) / everyMs
      last = now
    }
    await Promise.all(all)
  }

  const running = run()
  // Told to whoever ends it.
  running.catch(() => undefined)
  return {
    acknowledged,
    retries: () => retries,
    sent: () => sent,
    end: () => {
      isEnding = true
      return running
    },
  }
}
