import { derivedId, newId } from '../../src/lib/ids.ts'
import type { NewEvent } from '../../src/stores/event-log.ts'

export interface History {
  readonly stream: string
  readonly events: readonly NewEvent[]
}

/** How many events `historyOf` makes. */
export const eventsPerHistory = 3

/** What the log holds of one operation that was requested, started and succeeded: as the product records it, with an id of its own. */
export const historyOf = (startedAt: Date): History => {
  const id = newId()
  const actor = { principal: 'anonymous', face: null, address: '127.0.0.1' }
  const metadata = { correlationId: id, actor, schema: 1 }
  const work = { ...metadata, causationId: id, actor: { principal: 'worker', face: null, address: null } }
  const event = (index: number, type: string, data: NewEvent['data'], from: NewEvent['metadata']): NewEvent => ({
    id: derivedId('event', id, index),
    type,
    data,
    metadata: from,
  })
  return {
    stream: `operation-${id}`,
    events: [
      event(
        0,
        'OperationRequested',
        {
          kind: 'probe',
          face: null,
          lane: null,
          priority: 100,
          runAt: null,
          input: {},
          policy: { attempts: 5, timeoutMs: 900_000, backoff: { initialMs: 100, factor: 2, maxMs: 10_000 }, whenLost: 'retry' },
          externalRef: null,
          parent: null,
          retryOf: null,
        },
        metadata,
      ),
      event(
        1,
        'OperationStarted',
        { attempt: 1, worker: 'bench', deadline: new Date(startedAt.getTime() + 900_000).toISOString() },
        work,
      ),
      event(2, 'OperationSucceeded', { attempt: 1, result: { echo: null, attempt: 1 } }, work),
    ],
  }
}
