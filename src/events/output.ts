import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'

/**
 * What an operation's work printed, stream `output-<operation id>`. `offset` is the UTF-8 byte at which `text` begins,
 * counted over all attempts; `bytes` is its length in UTF-8, at most 32 KiB. No event cuts a code point in two.
 */
export const outputEvents = defineEvents('output', {
  OutputWritten: z.object({
    attempt: z.number().int().min(1),
    offset: z.number().int().min(0),
    bytes: z.number().int().min(1),
    text: z.string(),
  }),
})
export type OutputEvent = EventOf<typeof outputEvents>
export type OutputWritten = OutputEvent['data']

export const outputStream = (operationId: string): string => `output-${operationId}`
