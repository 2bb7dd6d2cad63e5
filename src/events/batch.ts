import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'
import { operationEvents } from './operation.ts'

/**
 * Operations that were requested together, all or none, stream `batch-<command id>`: once it was accepted each of them will be requested, under
 * its id; it is completed when all are. Source: native contract, section 13.
 */
export const batchEvents = defineEvents('batch', {
  BatchAccepted: z.object({
    items: z.array(z.object({ id: z.string(), request: operationEvents.schemas.OperationRequested })),
  }),
  BatchCompleted: z.object({}),
})
export type BatchEvent = EventOf<typeof batchEvents>

export const batchPrefix = 'batch-'

export type BatchItem = z.infer<(typeof batchEvents.schemas)['BatchAccepted']>['items'][number]
