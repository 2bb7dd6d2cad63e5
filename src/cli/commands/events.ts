import type { Command } from 'commander'
import { systemClock } from '../../lib/clock.ts'
import type { JsonObject } from '../../lib/json.ts'
import { CommandFailed } from '../exit-codes.ts'
import { type Client, createClient, refusal } from '../http-client.ts'
import { queryOf, type ServerCommandOptions, several, wholeNumber, withAsOf, withServer } from '../options.ts'
import { readServerSentEvents } from '../sse-reader.ts'
import { complain, harmless, print, printJson } from '../terminal.ts'

const filters = ['type', 'category', 'stream', 'correlation', 'principal', 'from', 'to']
const reconnectMs = 1000

/** `events ls|tail` against a server. */
export const eventsCommand = (program: Command): void => {
  const group = program.command('events').description('read the event log')

  withAsOf(filtered(group.command('ls').description('list events')))
    .option('--order <order>', 'asc (default) or desc')
    .option('--limit <n>', 'maximum number of items', wholeNumber)
    .addHelpText('after', '\nExample:\n  intendant events ls --type OperationFailed --order desc --limit 10')
    .action(async (options: ServerCommandOptions & { readonly asOf?: string }) => {
      const query = queryOf({ ...options }, [...filters, 'after', 'order', 'limit', 'asOf'])
      const page = await createClient(options).json('/v1/events', { query })
      if (options.json) return printJson(page)
      for (const event of (page.items ?? []) as unknown as EventLine[]) printEvent(event)
      if (page.next !== null) print(`more: --after ${page.next}${options.asOf === undefined ? '' : ` --as-of ${page.head}`}`)
    })

  filtered(group.command('tail').description('follow new events until stopped'))
    .option('--limit <n>', 'stop after this many events', wholeNumber)
    .addHelpText('after', '\nExample:\n  intendant events tail --category operation')
    .action(tail)
}

const filtered = (command: Command): Command =>
  withServer(command)
    .option('--type <type>', 'only these types', several)
    .option('--category <category>', 'only these categories of streams', several)
    .option('--stream <stream>', 'only these streams', several)
    .option('--correlation <id>', 'only with these correlation ids', several)
    .option('--principal <name>', 'only caused by these principals', several)
    .option('--from <time>', 'recorded at or after')
    .option('--to <time>', 'recorded before')
    .option('--after <position>', 'only after this position')

interface EventLine extends JsonObject {
  readonly position: string
  readonly recordedAt: string
  readonly stream: string
  readonly revision: number
  readonly type: string
  readonly data: JsonObject
}

const printEvent = ({ position, recordedAt, stream, revision, type, data }: EventLine): void =>
  print(`${position}  ${recordedAt}  ${stream}@${revision}  ${type}  ${harmless(JSON.stringify(data))}`)

interface TailOptions extends ServerCommandOptions {
  readonly after?: string
  readonly limit?: number
}

/** A lost connection is taken up again behind the last event that was printed; the first one must succeed. */
async function tail(options: TailOptions): Promise<void> {
  const client = createClient(options)
  const query = queryOf({ ...options }, [...filters, 'after'])
  const limit = options.limit ?? Number.POSITIVE_INFINITY
  const state: Followed = { printed: 0, last: undefined }
  for (let connected = false; state.printed < limit; connected = true) {
    try {
      await follow({ client, query, limit, state, json: options.json === true })
    } catch (error) {
      if (!connected || (error instanceof CommandFailed && error.code !== 6)) throw error
      await systemClock.sleep(reconnectMs)
    }
  }
}

interface Followed {
  printed: number
  last: string | undefined
}

interface FollowOptions {
  readonly client: Client
  readonly query: URLSearchParams
  readonly limit: number
  readonly state: Followed
  readonly json: boolean
}

async function follow({ client, query, limit, state, json }: FollowOptions): Promise<void> {
  const resume: Record<string, string> = state.last === undefined ? {} : { 'Last-Event-ID': state.last }
  const connection = new AbortController()
  const headers = { Accept: 'text/event-stream', ...resume }
  const response = await client.send('/v1/events', { query, headers, signal: connection.signal })
  if (response.status >= 400) throw await refusal(response)
  try {
    for await (const { event, data, id } of readServerSentEvents(response)) {
      if (event === 'gap') complain(`events are missing here: ${data}`)
      if (event === 'live' && id === undefined) state.last ??= (JSON.parse(data) as EventLine).position
      if (id === undefined) continue
      if (json) print(data)
      else printEvent(JSON.parse(data) as EventLine)
      state.last = id
      state.printed += 1
      if (state.printed >= limit) return
    }
  } catch (error) {
    throw new CommandFailed('outOfReach', `the connection ended: ${error instanceof Error ? error.message : error}`)
  } finally {
    connection.abort()
  }
}
