import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'

/** The two standard streams of a program; a work's own words count as stdout. */
export const standardStreams = ['stdout', 'stderr'] as const
export type StandardStream = (typeof standardStreams)[number]

/**
 * What an operation's work printed, stream `output-<operation id>`, in order of arrival. `offset` is the UTF-8 byte at which `text` begins,
 * counted over both standard streams and all attempts; `bytes` is its length in UTF-8, at most 32 KiB. No event cuts a code point in two.
 * `stream` is absent where the text is of stdout.
 */
export const outputEvents = defineEvents('output', {
  OutputWritten: z.object({
    attempt: z.number().int().min(1),
    offset: z.number().int().min(0),
    bytes: z.number().int().min(1),
    text: z.string(),
    stream: z.enum(standardStreams).optional(),
  }),
})
export type OutputEvent = EventOf<typeof outputEvents>
export type OutputWritten = OutputEvent['data']

export const outputStream = (operationId: string): string => `output-${operationId}`
