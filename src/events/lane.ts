import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'

/**
 * A lane lets one operation at a time through, stream `lane-<key>`. Its last event alone tells who holds it, so that
 * nobody ever reads the whole stream.
 */
export const laneEvents = defineEvents('lane', {
  LaneAcquired: z.object({ operation: z.string() }),
  LaneReleased: z.object({ operation: z.string() }),
})
export type LaneEvent = EventOf<typeof laneEvents>
