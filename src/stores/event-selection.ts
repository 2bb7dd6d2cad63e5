import { categoryOf, type Filter, type RecordedEvent } from './event-log.ts'
import { isHidden } from './hidden-streams.ts'

/** Which events are wanted: any value of each given member. `from` and `to` are RFC 3339 UTC, half-open. */
export interface EventSelection {
  readonly type?: readonly string[] | undefined
  readonly category?: readonly string[] | undefined
  readonly stream?: readonly string[] | undefined
  readonly correlation?: readonly string[] | undefined
  readonly principal?: readonly string[] | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
  /** What whoever asks may see. */
  readonly visible: (event: RecordedEvent) => boolean
}

/** A predicate that a scan and every live event go through. */
export const selects = (selection: EventSelection): ((event: RecordedEvent) => boolean) => {
  const set = (values: readonly string[] | undefined) => (values === undefined ? undefined : new Set(values))
  const { from, to, visible } = selection
  const types = set(selection.type)
  const categories = set(selection.category)
  const streams = set(selection.stream)
  const correlations = set(selection.correlation)
  const principals = set(selection.principal)
  return (event) =>
    !isHidden(event.stream) &&
    (types === undefined || types.has(event.type)) &&
    (streams === undefined || streams.has(event.stream)) &&
    (categories === undefined || categories.has(categoryOf(event.stream))) &&
    (correlations === undefined || correlations.has(event.metadata.correlationId)) &&
    (principals === undefined || principals.has(event.metadata.actor.principal)) &&
    (from === undefined || event.recordedAt >= from) &&
    (to === undefined || event.recordedAt < to) &&
    visible(event)
}

/** What the log itself can leave out: beginnings of names; `selects` does the rest. */
export const filterOf = ({ stream, category, type }: EventSelection): { readonly filter?: Filter } => {
  if (stream !== undefined) return { filter: { streamPrefixes: stream } }
  if (category !== undefined) return { filter: { streamPrefixes: category } }
  return type === undefined ? {} : { filter: { typePrefixes: type } }
}
