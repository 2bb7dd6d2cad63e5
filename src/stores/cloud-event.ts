import type { RecordedEvent } from './event-log.ts'

/** Where events come from: the log, by its identity. */
export const sourceOf = (logIdentity: string): string => `urn:intendant:${logIdentity}`

/** Revisions as text of one length sort as numbers, as the Sequence extension wants it. */
const sequenceDigits = 16

/** The attributes of an event as CloudEvents 1.0 wants them, with some extensions: the same wherever events are delivered to. */
export const cloudEventAttributes = (
  { id, type, stream, revision, position, recordedAt, metadata }: RecordedEvent,
  source: string,
): Readonly<Record<string, string>> => ({
  specversion: '1.0',
  id,
  source,
  type: `intendant.${type}`,
  subject: stream,
  time: recordedAt,
  sequence: String(revision).padStart(sequenceDigits, '0'),
  position,
  correlationid: metadata.correlationId,
  ...(metadata.causationId === undefined ? {} : { causationid: metadata.causationId }),
  ...(metadata.traceparent === undefined ? {} : { traceparent: metadata.traceparent }),
  principal: metadata.actor.principal,
})
