import { masked } from '../../events/sealed.ts'
import type { JsonValue } from '../../lib/json.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import { isHidden } from '../../stores/hidden-streams.ts'

/** An event as the native API shows it. Source: native contract, section 3. */
export const shownEvent = ({ position, stream, revision, id, type, data, metadata, recordedAt }: RecordedEvent) => ({
  position,
  stream,
  revision,
  id,
  type,
  data: masked(data),
  metadata,
  recordedAt,
})

/** Streams that no API shows: wrapped keys, who leads and lives, and what a store keeps for itself. */
export const isShown = (stream: string): boolean => !isHidden(stream)

/** One line of JSON, without its end. */
export const eventLine = (event: RecordedEvent): string => {
  const { position, stream, revision, id, type, data, metadata, recordedAt } = event
  const line = JSON.stringify({ position, stream, revision, id, type, data, metadata, recordedAt })
  return line.includes('"$sealed"') ? JSON.stringify(shownEvent(event)) : line
}

const frames = new WeakMap<RecordedEvent, Buffer>()

/** The event as a message of an event stream; made once for an event object, however many follow it. */
export const eventFrame = (event: RecordedEvent): Buffer => {
  const cached = frames.get(event)
  if (cached !== undefined) return cached
  const frame = Buffer.from(
    `id: ${event.position}\nevent: ${event.type.replaceAll(/[\r\n]/g, ' ')}\ndata: ${eventLine(event)}\n\n`,
  )
  frames.set(event, frame)
  return frame
}

const together = new WeakMap<readonly RecordedEvent[], Buffer>()

/** The messages of events that came together, made once for an array. */
export const eventFrames = (events: readonly RecordedEvent[]): Buffer => {
  const [only] = events
  if (events.length === 1 && only !== undefined) return eventFrame(only)
  const cached = together.get(events)
  if (cached !== undefined) return cached
  const joined = Buffer.concat(events.map(eventFrame))
  together.set(events, joined)
  return joined
}

/** A message without an id: it does not move the client's `Last-Event-ID`. */
export const messageFrame = (event: string, data: JsonValue): Buffer =>
  Buffer.from(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
