import type { Filter, RecordedEvent } from './event-log.ts'

/** Whether an event passes the filter; no filter passes everything, an empty one nothing. */
export const matches = (filter: Filter | undefined, event: Pick<RecordedEvent, 'stream' | 'type'>): boolean => {
  if (filter === undefined) return true
  if ('typePrefixes' in filter) return filter.typePrefixes.some((prefix) => event.type.startsWith(prefix))
  return filter.streamPrefixes.some((prefix) => event.stream.startsWith(prefix))
}
