import type { ThrottleRule } from '../../../commands/crawling/throttle.ts'
import type { QueueName, QueueQueries } from '../../../projections/crawling/queue-queries.ts'

/**
 * How much nearer to each other than their rule says two starts may stand in the log: between a spider's own clock and the
 * record of a start lies the way to the log, which is not always equally long.
 */
const longestSlackMs = 250
const shortestSlackMs = 20

/**
 * How many milliseconds too early a recorded start is, judged by the starts before it in the log; 0 where it is in time. Every
 * spider that looks comes to the same answer, so of those that start at once only as many go on as the rule grants. The view
 * must hold the start. Source: crawling contract, section 6.6.
 */
export const tooEarlyMs = ({
  queries,
  queue,
  page,
  attempt,
  rule: { hits, windowMs },
  isSpaced,
}: {
  readonly queries: Pick<QueueQueries, 'startOf' | 'startBefore'>
  readonly queue: QueueName
  readonly page: string
  readonly attempt: number
  readonly rule: ThrottleRule
  /** Whether the start must keep its distance from the one before, too. */
  readonly isSpaced: boolean
}): number => {
  const start = queries.startOf(page, attempt)
  if (start === undefined) return 0
  /** Time missing from `distanceMs` since the `n`th start before this one. */
  const missing = (n: number, distanceMs: number): number => {
    const slackMs = Math.min(longestSlackMs, Math.max(shortestSlackMs, distanceMs / 20))
    const since = start.at - distanceMs + slackMs
    // A start that is earlier in the log but has a later time was recorded before the clock was set back.
    const until = start.at + longestSlackMs
    const before = queries.startBefore(queue, { position: start.position, since, until, n })
    return before === undefined ? 0 : Math.ceil(before + distanceMs - start.at)
  }
  return Math.max(missing(hits, windowMs), isSpaced ? missing(1, windowMs / hits) : 0)
}
