import type { Metadata } from '../../events/define.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { EncodedEvent } from '../encode-append.ts'
import type { RecordedEvent } from '../event-log.ts'
import type { Recorded } from './stored-event.ts'

/**
 * An event with long data on its way from the writer to those who follow the log. Its data is parsed when somebody asks, and kept only as long as
 * somebody uses it: a megabyte of small members takes 8 to 20 MB as values, and the tail keeps thousands of events.
 */
export const largeEvent = ({ id, type, data, metadata }: EncodedEvent, recorded: Recorded): RecordedEvent => {
  let parsed: WeakRef<JsonObject> | undefined
  return {
    id,
    type,
    get data() {
      let value = parsed?.deref()
      if (value === undefined) {
        value = JSON.parse(data) as JsonObject
        parsed = new WeakRef(value)
      }
      return value
    },
    metadata: JSON.parse(metadata) as Metadata,
    ...recorded,
  }
}
