import { EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client'
import { newId } from '../../src/lib/ids.ts'
import { historyOf } from '../lib/history.ts'
import { openLoop } from '../lib/open-loop.ts'
import { median } from '../lib/percentiles.ts'
import { answerTask } from '../lib/task.ts'

export interface AppendOrder {
  readonly url: string
  readonly callers: number
  readonly count: number
  readonly perSecond: number
}
export interface BareAppends {
  /** Of all callers together. */
  readonly perSecond: number
  /** Milliseconds of one, at the given pace. */
  readonly p50: number
}

/** Appends of one event to new streams through the client alone. */
answerTask(async ({ url, callers, count, perSecond }: AppendOrder): Promise<BareAppends> => {
  const client = EventStoreDBClient.connectionString(url)
  const { type, data, metadata } = historyOf(new Date()).events[0] ?? { type: '', data: {}, metadata: {} }
  const append = () =>
    client.appendToStream(`bench-${newId()}`, jsonEvent({ type, data, metadata: { ...metadata } }), {
      expectedRevision: NO_STREAM,
    })
  const many = async (total: number): Promise<number> => {
    let left = total
    const begun = performance.now()
    await Promise.all(
      Array.from({ length: callers }, async () => {
        while (left-- > 0) await append()
      }),
    )
    return total / ((performance.now() - begun) / 1000)
  }
  await many(Math.ceil(count / 4))
  const speed = await many(count)
  const p50 = median(await openLoop({ perSecond, count: perSecond * 3 }, append))
  await client.dispose()
  return { perSecond: speed, p50 }
})
