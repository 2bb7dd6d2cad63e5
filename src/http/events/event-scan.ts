import { categoryOf, type EventLog, type Filter, origin, type Position, type RecordedEvent } from '../../stores/event-log.ts'
import { isShown } from './sse-frames.ts'

/** Which events are wanted: any value of each given member. `from` and `to` are RFC 3339 UTC, half-open. */
export interface EventSelection {
  readonly type?: readonly string[] | undefined
  readonly category?: readonly string[] | undefined
  readonly stream?: readonly string[] | undefined
  readonly correlation?: readonly string[] | undefined
  readonly principal?: readonly string[] | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
  /** What the asking principal may see. */
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
    isShown(event.stream) &&
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
const filterOf = ({ stream, category, type }: EventSelection): { readonly filter?: Filter } => {
  if (stream !== undefined) return { filter: { streamPrefixes: stream } }
  if (category !== undefined) return { filter: { streamPrefixes: category } }
  return type === undefined ? {} : { filter: { typePrefixes: type } }
}

export interface ScanOptions {
  readonly after?: Position | undefined
  readonly backwards?: boolean
  /** Asked after each event that is not selected, with its position: true ends the scan. */
  readonly isEnough?: (position: Position) => boolean
}

/** The selected events behind (`backwards`: before) `after`, straight from the log, in constant memory. */
export async function* scan(
  log: EventLog,
  selection: EventSelection,
  { after, backwards = false, isEnough = () => false }: ScanOptions,
): AsyncGenerator<RecordedEvent> {
  const wanted = selects(selection)
  const [only, ...others] = selection.stream ?? []
  if (only !== undefined && others.length === 0) {
    if (!isShown(only)) return
    const isWhole = after === undefined || (after === origin && !backwards)
    const from = isWhole ? undefined : await revisionBeyond(log, only, { after, backwards })
    if (from !== undefined && from < 0) return
    for await (const event of log.readStream(only, { backwards, ...(from === undefined ? {} : { from }) })) {
      if (wanted(event)) yield event
      else if (isEnough(event.position)) return
    }
    return
  }
  const range = after === undefined ? {} : { after }
  for await (const event of log.readAll({ ...range, backwards, ...filterOf(selection) })) {
    if (wanted(event)) yield event
    else if (isEnough(event.position)) return
  }
}

/** The first revision of a stream behind `after` (`backwards`: the last one before it), found in some twenty reads; below 0 where there is none. */
const revisionBeyond = async (
  log: EventLog,
  stream: string,
  { after, backwards }: { readonly after: Position; readonly backwards: boolean },
): Promise<number> => {
  const last = await eventAt(log, stream, 'end')
  let low = 0
  let high = (last?.revision ?? -1) + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const event = await eventAt(log, stream, middle)
    const isBehind = event === undefined || (backwards ? event.position >= after : event.position > after)
    if (isBehind) high = middle
    else low = middle + 1
  }
  if (backwards) return low - 1
  return last !== undefined && low <= last.revision ? low : -1
}

const eventAt = async (log: EventLog, stream: string, from: number | 'end'): Promise<RecordedEvent | undefined> => {
  for await (const event of log.readStream(stream, { from, backwards: from === 'end', limit: 1 })) return event
  return undefined
}
