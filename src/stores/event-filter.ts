import type { Filter, RecordedEvent } from './event-log.ts'

/** Whether an event passes the filter; no filter passes everything, an empty one nothing. */
export const matches = (filter: Filter | undefined, event: Pick<RecordedEvent, 'stream' | 'type'>): boolean => {
  if (filter === undefined) return true
  if ('typePrefixes' in filter) return filter.typePrefixes.some((prefix) => event.type.startsWith(prefix))
  return filter.streamPrefixes.some((prefix) => event.stream.startsWith(prefix))
}

/** One filter that lets through what any of these does; undefined (everything) where they are of both sorts, or one lets through everything. */
export const union = (filters: readonly Filter[]): Filter | undefined => {
  const types = filters.flatMap((filter) => ('typePrefixes' in filter ? filter.typePrefixes : []))
  const streams = filters.flatMap((filter) => ('streamPrefixes' in filter ? filter.streamPrefixes : []))
  if ((types.length > 0 && streams.length > 0) || [...types, ...streams].includes('')) return undefined
  return types.length > 0 ? { typePrefixes: [...new Set(types)] } : { streamPrefixes: [...new Set(streams)] }
}
