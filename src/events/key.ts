import { z } from 'zod'
import { defineEvents } from './define.ts'

/**
 * The data key of a subject's secrets, wrapped by the master key (base64url), stream `key-<subject>`. No listing shows these
 * streams, and forgetting one erases it.
 */
export const keyEvents = defineEvents('key', {
  KeyCreated: z.object({ keyId: z.string(), wrapped: z.string() }),
})
