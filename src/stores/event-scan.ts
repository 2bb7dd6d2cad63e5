import { type EventLog, origin, type Position, type RecordedEvent } from './event-log.ts'
import { type EventSelection, filterOf, selects } from './event-selection.ts'
import { isHidden } from './hidden-streams.ts'

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
    if (isHidden(only)) return
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
