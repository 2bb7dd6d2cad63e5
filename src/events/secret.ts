import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'

/** Something that still holds the key of a forgotten subject. `until` is null where only a person ends it. */
export const Remains = z.object({ what: z.string(), until: z.string().nullable() })
export type Remains = z.infer<typeof Remains>

/**
 * What became of a subject's secrets, stream `secret-<subject>`. `SecretForgetRequested` says who wished it, and stands there before anything is
 * erased; `events` counts the events whose sealed values no one can read any more.
 */
export const secretEvents = defineEvents('secret', {
  SecretForgetRequested: z.object({}),
  SecretForgotten: z.object({ events: z.number().int().min(0), remains: z.array(Remains) }),
})
export type SecretEvent = EventOf<typeof secretEvents>

export const secretPrefix = 'secret-'
