import type { Command } from 'commander'
import { isObject, type JsonObject } from '../../lib/json.ts'
import { createClient, refusal } from '../http-client.ts'
import { given, jsonOption, queryOf, type ServerCommandOptions, several, wholeNumber, withAsOf, withServer } from '../options.ts'
import { harmless, print, printJson, printResource, printTable } from '../terminal.ts'

/** `schedules ls|get|add|rm|pause|resume|run`: operations that are asked for at certain times. */
export const schedulesCommand = (program: Command): void => {
  const group = program.command('schedules').description('manage schedules')
  withAsOf(withServer(group.command('ls').description('list schedules, with when they fire next')))
    .option('--limit <count>', 'maximum number of items', wholeNumber)
    .option('--cursor <cursor>', 'the "next" of the previous page')
    .action(ls)
  withAsOf(withServer(group.command('get <name>').description('show one schedule'))).action(
    async (name: string, options: ServerCommandOptions & { readonly asOf?: string }) =>
      printResource(await createClient(options).json(pathOf(name), { query: queryOf({ ...options }, ['asOf']) }), options),
  )
  withServer(group.command('add <name> <kind>').description('create a schedule; give one of --cron, --every-ms and --at'))
    .option('--cron <pattern>', 'five fields, or six that begin with seconds')
    .option('--time-zone <zone>', 'of the pattern, such as Europe/Berlin (default UTC)')
    .option('--every-ms <ms>', 'the time between slots', wholeNumber)
    .option('--at <time>', 'the one slot of a schedule that fires once')
    .option('--input <json>', 'its input; "-" reads stdin, "@file" reads a file', '{}')
    .option('--lane <lane>', 'operations of the same lane run one at a time')
    .option('--priority <n>', '0 to 1000; lower numbers run first', wholeNumber)
    .option('--attempts <n>', 'maximum number of attempts', wholeNumber)
    .option('--timeout-ms <ms>', 'time limit of one attempt', wholeNumber)
    .option('--limit-key <key>', 'a limit that holds its operations', several)
    .option('--jitter-ms <ms>', 'fire up to so much later', wholeNumber)
    .option('--overlap <policy>', 'while an operation has not ended: skip, queue or cancel-running')
    .option('--catch-up <policy>', 'after an outage: none, last or all')
    .option('--paused', 'fire nothing until it is resumed')
    .addHelpText(
      'after',
      '\nExample:\n  intendant schedules add nightly probe --cron "30 2 * * *" --time-zone Europe/Berlin --input \'{"echo": "hello"}\'',
    )
    .action(add)
  withServer(group.command('rm <name>').description('delete a schedule and forget its secrets')).action(rm)
  for (const [verb, what] of [
    ['pause', 'fire nothing until it is resumed'],
    ['resume', 'fire again; slots that came meanwhile are left out'],
  ])
    withServer(group.command(`${verb} <name>`).description(`${what}`)).action(
      async (name: string, options: ServerCommandOptions) =>
        printResource(await createClient(options).json(`${pathOf(name)}/${verb}`, { method: 'POST' }), options),
    )
  withServer(group.command('run <name>').description('fire a schedule now, also where it is paused')).action(
    async (name: string, options: ServerCommandOptions) =>
      printResource(await createClient(options).json(`${pathOf(name)}/run-now`, { method: 'POST' }), options),
  )
}

const pathOf = (name: string): string => `/v1/schedules/${encodeURIComponent(name)}`

/** When it fires, in a few words. */
const timing = ({ cron, timeZone, everyMs, at }: JsonObject): string =>
  typeof cron === 'string' ? `${cron} ${timeZone}` : typeof everyMs === 'number' ? `every ${everyMs} ms` : `at ${at}`

const lastOf = ({ last }: JsonObject): string | null =>
  isObject(last) ? `${last.slot}${last.skipped === null ? '' : ` skipped`}` : null

async function ls(options: ServerCommandOptions): Promise<void> {
  const page = await createClient(options).json('/v1/schedules', { query: queryOf({ ...options }, ['limit', 'cursor', 'asOf']) })
  if (options.json) return printJson(page)
  const rows = (page.items as unknown as JsonObject[]).map((schedule) => ({
    ...schedule,
    when: timing(schedule),
    next: (schedule.paused === true ? 'paused' : (schedule.next as readonly string[])[0]) ?? null,
    last: lastOf(schedule),
  }))
  printTable(['name', 'kind', 'when', 'next', 'last'], rows)
  if (page.next !== null) print(`there are more: --cursor ${page.next}`)
}

interface AddOptions extends ServerCommandOptions {
  readonly cron?: string
  readonly timeZone?: string
  readonly everyMs?: number
  readonly at?: string
  readonly input: string
  readonly lane?: string
  readonly priority?: number
  readonly attempts?: number
  readonly timeoutMs?: number
  readonly limitKey?: readonly string[]
  readonly jitterMs?: number
  readonly overlap?: string
  readonly catchUp?: string
  readonly paused?: true
}

async function add(name: string, kind: string, options: AddOptions): Promise<void> {
  const { cron, timeZone, everyMs, at, lane, priority, attempts, timeoutMs, limitKey, jitterMs, overlap, catchUp, paused } =
    options
  const body = {
    name,
    kind,
    input: await jsonOption(options.input, '--input'),
    ...given({ cron, timeZone, everyMs, at, lane, priority, limits: limitKey, jitterMs, overlap, catchUp, paused }),
    policy: given({ attempts, timeoutMs }),
  }
  printResource(await createClient(options).json('/v1/schedules', { method: 'POST', body }), options)
}

async function rm(name: string, options: ServerCommandOptions): Promise<void> {
  const response = await createClient(options).send(pathOf(name), { method: 'DELETE' })
  if (response.status >= 400) throw await refusal(response)
  if (options.json) return printJson({ name, removed: true })
  print(harmless(`the schedule ${name} is deleted`))
}
