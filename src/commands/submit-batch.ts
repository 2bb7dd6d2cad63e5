import { type BatchItem, batchEvents, batchPrefix } from '../events/batch.ts'
import { childId, derivedId, eventId } from '../lib/ids.ts'
import type { EventLog, Position } from '../stores/event-log.ts'
import { batch } from './batch.ts'
import type { BlobFiles } from './blob-files.ts'
import type { CommandContext, Executor } from './execute.ts'
import { operation } from './operation.ts'
import type { Prepare, SubmitRefusal, SubmitRequest } from './submit.ts'

/** The id of the n-th operation that a command requests. */
export const itemId = (commandId: string, index: number): string => childId(commandId, index)

/** `index` is that of the first item that is refused; nothing is requested then. */
export type SubmitBatch = (
  requests: readonly SubmitRequest[],
  context: CommandContext,
) => Promise<
  | { readonly refused: { readonly index: number; readonly refusal: SubmitRefusal } }
  | { readonly refused?: undefined; readonly ids: readonly string[]; readonly position: Position | null }
>

/** Operations that are requested at a time. */
const atATime = 100

/**
 * Requests all of the operations or none. All requests are recorded in one event first, and then one by one; where that is cut off,
 * `finishBatch` does the rest. The same command again is the same batch.
 */
export const createSubmitBatch =
  ({
    executor,
    prepare,
    blobs,
  }: {
    readonly executor: Executor
    readonly prepare: Prepare
    readonly blobs: Pick<BlobFiles, 'using'>
  }): SubmitBatch =>
  (requests, context) =>
    blobs.using(async () => {
      const items: BatchItem[] = []
      for (const [index, request] of requests.entries()) {
        const id = itemId(context.commandId, index)
        const found = await prepare(request, { ...context, commandId: id })
        if (found.refused !== undefined) return { refused: { index, refusal: found.refused } }
        items.push({ id, request: found.prepared })
      }
      const id = context.commandId
      await executor.execute(batch, { type: 'AcceptBatch', id, items }, context)
      return { ids: items.map((item) => item.id), position: await carryOut(executor, id, items, context) }
    })

/** Requests what an accepted batch has left; what is there already stays as it is. */
export const finishBatch = async (
  { executor, log }: { readonly executor: Executor; readonly log: EventLog },
  id: string,
): Promise<void> => {
  for await (const { data, metadata } of log.readStream(`${batchPrefix}${id}`, { limit: 1 })) {
    const { items } = batchEvents.schemas.BatchAccepted.parse(data)
    await carryOut(executor, id, items, { ...metadata, commandId: id })
  }
}

const carryOut = async (
  executor: Executor,
  id: string,
  items: readonly BatchItem[],
  context: CommandContext,
): Promise<Position | null> => {
  const caused = { ...context, causationId: eventId(id, 0) }
  for (let at = 0; at < items.length; at += atATime)
    await Promise.all(
      items
        .slice(at, at + atATime)
        .map((item) =>
          executor.execute(
            operation,
            { type: 'RequestOperation', id: item.id, request: item.request },
            { ...caused, commandId: item.id },
          ),
        ),
    )
  const done = await executor.execute(batch, { type: 'CompleteBatch', id }, { ...caused, commandId: derivedId('complete', id) })
  return 'position' in done ? done.position : null
}
