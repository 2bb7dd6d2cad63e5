import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'

/**
 * Attempts that their limits let start, all in one stream: each append expects the revision that its decision was made at, so that two
 * nodes never hand out the same room. The revision of an event is the number of the admission.
 */
export const admissionEvents = defineEvents('admission', {
  AttemptAdmitted: z.object({ operation: z.string(), attempt: z.number().int().min(1) }),
  /** Says only what time it is by the log: starts that were recorded before are this old. */
  AdmissionsResumed: z.object({}),
})
export type AdmissionEvent = EventOf<typeof admissionEvents>

export const admissionStream = 'admission-limits'
