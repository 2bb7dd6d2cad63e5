import type { Command } from 'commander'
import { deciderOf, faces } from '../../app/faces.ts'
import { instant, parseInstant, systemClock } from '../../lib/clock.ts'
import { isUuid } from '../../lib/ids.ts'
import type { JsonObject } from '../../lib/json.ts'
import { categoryOf, type EventLog, type RecordedEvent } from '../../stores/event-log.ts'
import { CommandFailed } from '../exit-codes.ts'
import { createClient, refusal } from '../http-client.ts'
import { withOfflineLog } from '../locked-data-directory.ts'
import { type ServerCommandOptions, withAsOf, withServer } from '../options.ts'
import { coloured, harmless, print, printJson } from '../terminal.ts'

interface ReplayOptions extends ServerCommandOptions {
  readonly stream: string
  readonly asOf?: string
  readonly dataDir?: string
}

/** `audit replay`: what happened in a stream, and the state it folds to at a moment of the past. */
export const auditCommand = (program: Command): void => {
  const group = program.command('audit').description('look at past states')
  withAsOf(withServer(group.command('replay').description("print a stream's events and the state that they lead to")))
    .requiredOption('--stream <stream>', 'the stream, such as operation-<id>')
    .option('--data-dir <directory>', 'read the files of a stopped server')
    .addHelpText('after', '\nExample:\n  intendant audit replay --stream operation-01a22ec4-26d8-72e1-8752-99cce2817773')
    .action(replay)
}

async function replay(options: ReplayOptions): Promise<void> {
  const { stream, asOf, dataDir } = options
  const moment = momentOf(asOf)
  const history: RecordedEvent[] = []
  const take = async (events: AsyncIterable<RecordedEvent>): Promise<void> => {
    for await (const event of events) {
      if (!lies(event, moment)) return
      history.push(event)
    }
  }
  if (stream.startsWith('key-')) throw new CommandFailed('notFound', `there is no stream "${stream}"`)
  if (dataDir === undefined) await take(overHttp(options, moment))
  else await withOfflineLog({ directory: dataDir, purpose: 'audit replay' }, (log) => take(offline(log, stream, moment)))
  if (history.length === 0)
    throw new CommandFailed('notFound', `the stream "${stream}" has no events${asOf === undefined ? '' : ` as of ${asOf}`}`)
  const state = fold(stream, history)
  const last = history.at(-1)
  if (options.json)
    return printJson({
      stream,
      asOf: asOf ?? null,
      revision: last?.revision,
      position: last?.position,
      state: state ?? null,
      events: history,
    })
  for (const event of history) {
    print(
      `${event.position}  ${event.recordedAt}  @${event.revision}  ${coloured('bold', event.type)}  by ${event.metadata.actor.principal}`,
    )
    print(`    ${harmless(JSON.stringify(event.data))}`)
  }
  print('')
  print(`state at revision ${last?.revision}${asOf === undefined ? '' : `, as of ${asOf}`}:`)
  print(state === undefined ? '(no decider has this category)' : harmless(JSON.stringify(state, null, 2)))
}

/** One number, or the pair that an EventStoreDB log has. */
const positionForm = /^\d{1,40}(-\d{1,40})?$/

/** A moment of the past as it was given. */
type Moment = { readonly position: string } | { readonly at: number } | { readonly event: string }

const momentOf = (asOf: string | undefined): Moment | undefined => {
  if (asOf === undefined) return undefined
  if (isUuid(asOf.toLowerCase())) return { event: asOf.toLowerCase() }
  if (/^\d{4}-\d\d-\d\d/.test(asOf)) {
    const at = parseInstant(asOf)
    if (Number.isNaN(at)) throw new CommandFailed('usage', `"${asOf}" is not a time, such as 2026-11-21T05:27:00.123Z`)
    return { at }
  }
  if (positionForm.test(asOf)) return { position: asOf }
  throw new CommandFailed('usage', `"${asOf}" is neither a time (RFC 3339) nor a position nor the id of an event`)
}

/** Whether an event is at or before a position; true for other moments, which the reader of the log finds. */
const lies = ({ position }: RecordedEvent, moment: Moment | undefined): boolean =>
  moment === undefined || !('position' in moment) || position <= paddedLike(position, moment.position)

/** A position as people write it, its zeros left out, in the form of one of the log: positions compare as text. */
const paddedLike = (position: string, text: string): string => {
  const lengths = position.split('-').map((part) => part.length)
  const parts = text.split('-')
  if (parts.length > 1 && parts.length !== lengths.length)
    throw new CommandFailed('usage', `"${text}" is not a position of this log, such as ${position}`)
  // Of a pair the commit position alone means all that was committed by then.
  return lengths.map((length, index) => (parts[index] ?? parts[0] ?? '').padStart(length, '0')).join('-')
}

/** What the stream's decider knows after these events; undefined where none is in charge of the category. */
const fold = (stream: string, history: readonly RecordedEvent[]): unknown => {
  const decider = deciderOf(faces, categoryOf(stream))
  return decider && history.reduce((state, event) => decider.evolve(state, event), decider.initial)
}

/** The server finds the moment. All pages are as of the position that it named for the first one. */
async function* overHttp(options: ReplayOptions, moment: Moment | undefined): AsyncGenerator<RecordedEvent> {
  const client = createClient(options)
  let asOf = moment === undefined || 'position' in moment ? undefined : 'at' in moment ? instant(moment.at) : moment.event
  for (let from = 0; ; ) {
    const query = new URLSearchParams({
      from: String(from),
      limit: '1000',
      order: 'asc',
      ...(asOf === undefined ? {} : { asOf }),
    })
    const response = await client.send(`/v1/streams/${encodeURIComponent(options.stream)}`, { query })
    if (response.status >= 400) throw await refusal(response)
    const page = (await response.json()) as JsonObject
    const items = page.items as unknown as readonly RecordedEvent[]
    yield* items
    const last = items.at(-1)
    if (last === undefined || page.next === null) return
    from = last.revision + 1
    if (asOf !== undefined) asOf = response.headers.get('event-position') ?? asOf
  }
}

/**
 * Reads the whole log up to a moment that is not a position. "As of a time" ends before the first event that was recorded later: clocks step
 * back, and the order of the log wins.
 */
async function* offline(log: EventLog, stream: string, moment: Moment | undefined): AsyncGenerator<RecordedEvent> {
  if (moment === undefined || 'position' in moment) return yield* log.readStream(stream)
  if ('at' in moment && moment.at > systemClock.now()) throw new CommandFailed('failed', `${instant(moment.at)} is after now`)
  for await (const event of log.readAll()) {
    if ('at' in moment && parseInstant(event.recordedAt) > moment.at) return
    if (event.stream === stream) yield event
    if ('event' in moment && event.id === moment.event) return
  }
  if ('event' in moment) throw new CommandFailed('notFound', `there is no event ${moment.event}`)
}
