import type { Command } from 'commander'
import { deciderOf, faces } from '../app/faces.ts'
import { parseInstant } from '../lib/clock.ts'
import type { JsonObject } from '../lib/json.ts'
import { categoryOf, type RecordedEvent } from '../stores/event-log.ts'
import { createClient } from './client.ts'
import { CommandFailed } from './exit.ts'
import { withOfflineLog } from './offline.ts'
import { type ServerCommandOptions, withServer } from './options.ts'
import { coloured, harmless, print, printJson } from './terminal.ts'

interface ReplayOptions extends ServerCommandOptions {
  readonly stream: string
  readonly asOf?: string
  readonly dataDir?: string
}

/** `audit replay`: what happened in a stream, and the state it folds to at a moment of the past. */
export const auditCommand = (program: Command): void => {
  const group = program.command('audit').description('inspect past state')
  withServer(group.command('replay').description("print a stream's events and the state that they lead to"))
    .requiredOption('--stream <stream>', 'the stream, such as operation-<id>')
    .option('--as-of <moment>', 'a time (RFC 3339) or a position; default: now')
    .option('--data-dir <directory>', 'read the files of a stopped server')
    .action(replay)
}

async function replay(options: ReplayOptions): Promise<void> {
  const { stream, asOf, dataDir } = options
  const within = bound(asOf)
  const history: RecordedEvent[] = []
  const take = async (events: AsyncIterable<RecordedEvent>): Promise<void> => {
    for await (const event of events) {
      if (!within(event)) return
      history.push(event)
    }
  }
  if (stream.startsWith('key-')) throw new CommandFailed('notFound', `there is no stream "${stream}"`)
  if (dataDir === undefined) await take(overHttp(options))
  else await withOfflineLog({ directory: dataDir, purpose: 'audit replay' }, (log) => take(log.readStream(stream)))
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

/** Whether an event lies at or before the moment. */
const bound = (asOf: string | undefined): ((event: RecordedEvent) => boolean) => {
  if (asOf === undefined) return () => true
  if (/^\d{4}-\d\d-\d\d/.test(asOf)) {
    const until = parseInstant(asOf)
    if (Number.isNaN(until)) throw new CommandFailed('usage', `"${asOf}" is not a time, such as 2026-11-21T05:27:00.123Z`)
    return ({ recordedAt }) => parseInstant(recordedAt) <= until
  }
  if (!positionForm.test(asOf)) throw new CommandFailed('usage', `"${asOf}" is neither a time (RFC 3339) nor a position`)
  return ({ position }) => position <= paddedLike(position, asOf)
}

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

async function* overHttp(options: ReplayOptions): AsyncGenerator<RecordedEvent> {
  const client = createClient(options)
  for (let from = 0; ; ) {
    const query = new URLSearchParams({ from: String(from), limit: '1000', order: 'asc' })
    const page = (await client.json(`/v1/streams/${encodeURIComponent(options.stream)}`, { query })) as JsonObject
    const items = page.items as unknown as readonly RecordedEvent[]
    yield* items
    const last = items.at(-1)
    if (last === undefined || page.next === null) return
    from = last.revision + 1
  }
}
