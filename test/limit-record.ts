/** What the log says of one event of an operation. */
interface Recorded {
  readonly stream: string
  readonly type: string
  readonly recordedAt: string
  readonly data: Readonly<Record<string, unknown>>
}

const ending = ['OperationSucceeded', 'OperationFailed', 'OperationCancelled', 'OperationTimedOut', 'OperationAttemptFailed']

/** How the operations that name a key were started, as the log has it. */
export interface LimitRecord {
  /** When attempts started, in milliseconds since the epoch, in log order. */
  readonly starts: readonly number[]
  /** Ids of the operations, in the order in which they were started. */
  readonly order: readonly string[]
  /** The most that ran at a time. */
  readonly most: number
  /** The shortest time from a start to the `n`-th after it. */
  shortestFor(n: number): number
}

export const limitRecord = (events: readonly Recorded[], key: string): LimitRecord => {
  const naming = new Set<string>()
  const running = new Set<string>()
  const starts: number[] = []
  const order: string[] = []
  let most = 0
  for (const { stream, type, recordedAt, data } of events) {
    if (type === 'OperationRequested' && Array.isArray(data.limits) && data.limits.includes(key)) naming.add(stream)
    if (!naming.has(stream)) continue
    if (type === 'OperationStarted') {
      running.add(stream)
      starts.push(Date.parse(recordedAt))
      order.push(stream.slice('operation-'.length))
    }
    if (ending.includes(type)) running.delete(stream)
    most = Math.max(most, running.size)
  }
  return {
    starts,
    order,
    most,
    shortestFor: (n) => {
      const sorted = starts.toSorted((a, b) => a - b)
      return Math.min(...sorted.slice(n).map((at, index) => at - (sorted[index] ?? 0)))
    },
  }
}
