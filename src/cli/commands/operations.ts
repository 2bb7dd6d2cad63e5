import { type Command, Option } from 'commander'
import { systemClock } from '../../lib/clock.ts'
import { isObject, type JsonObject } from '../../lib/json.ts'
import { CommandFailed } from '../exit-codes.ts'
import { type Client, createClient } from '../http-client.ts'
import { given, jsonOption, queryOf, type ServerCommandOptions, several, wholeNumber, withAsOf, withServer } from '../options.ts'
import { type TailOptions, tailOutput } from '../tail-output.ts'
import { print, printJson, printResource, printTable } from '../terminal.ts'

const longestWaitS = 60
const finished = ['succeeded', 'failed', 'cancelled', 'timed-out']
const filters = ['state', 'kind', 'face', 'lane', 'principal', 'from', 'to', 'order', 'limit', 'cursor', 'asOf']

/** `operations ls|get|submit|wait|tail|cancel|retry` against a server. */
export const operationsCommand = (program: Command): void => {
  const group = program.command('operations').description('manage operations')

  withAsOf(withServer(group.command('ls').description('list operations, newest first')))
    .option('--state <state>', 'only these states', several)
    .option('--kind <kind>', 'only these kinds', several)
    .option('--face <face>', 'only from these faces', several)
    .option('--lane <lane>', 'only in these lanes', several)
    .option('--principal <name>', 'only requested by these principals', several)
    .option('--from <time>', 'requested at or after')
    .option('--to <time>', 'requested before')
    .option('--order <order>', 'asc or desc')
    .option('--limit <n>', 'maximum number of items', wholeNumber)
    .option('--cursor <cursor>', 'the "next" of the previous page')
    .action(ls)

  withAsOf(withServer(group.command('get <id>').description('show one operation'))).action(
    async (id: string, options: ServerCommandOptions & { readonly asOf?: string }) =>
      printResource(await createClient(options).json(pathOf(id), { query: queryOf({ ...options }, ['asOf']) }), options),
  )

  withServer(group.command('submit <kind>').description('submit a new operation'))
    .option('--input <json>', 'its input; "-" reads stdin, "@file" reads a file', '{}')
    .option('--lane <lane>', 'operations of the same lane run one at a time')
    .option('--limits <key>', 'a limit that holds it; may be given up to 8 times', several)
    .option('--priority <n>', '0 to 1000; lower numbers run first', wholeNumber)
    .option('--run-at <time>', 'the earliest start')
    .option('--attempts <n>', 'maximum number of attempts', wholeNumber)
    .option('--timeout-ms <ms>', 'time limit of one attempt', wholeNumber)
    .option('--idempotency-key <key>', 'repeated requests with the same key submit one operation')
    .option('--wait [seconds]', 'wait until it ends', wholeNumber)
    .action(submit)

  withServer(group.command('wait <id>').description('wait until an operation ends'))
    .option('--timeout <seconds>', 'maximum wait', wholeNumber)
    .action(async (id: string, options: ServerCommandOptions & { timeout?: number }) => {
      const operation = await untilFinished(createClient(options), id, options.timeout)
      printResource(operation, options)
      judge(operation)
    })

  withServer(group.command('tail <id>').description('follow the output of an operation to its end'))
    .addOption(new Option('--stream <name>', 'only this one').choices(['stdout', 'stderr']))
    .option('--last-lines <n>', 'begin this many lines before the end', wholeNumber)
    .addHelpText('after', '\nExample:\n  intendant operations tail 01a22ec4-26d8-72e1-8752-99cce2817773 --last-lines 20')
    .action(async (id: string, options: TailOptions) => {
      const client = createClient(options)
      await tailOutput(client, `${pathOf(id)}/output`, options)
      const operation = await untilFinished(client, id)
      if (options.json) printJson(operation)
      judge(operation)
    })

  withServer(group.command('cancel <id>').description('cancel an operation'))
    .option('--reason <text>', 'why')
    .action(async (id: string, options: ServerCommandOptions & { reason?: string }) => {
      const body = options.reason === undefined ? {} : { reason: options.reason }
      printResource(await createClient(options).json(`${pathOf(id)}/cancel`, { method: 'POST', body }), options)
    })

  withServer(group.command('retry <id>').description('retry as a new operation'))
    .option('--failed-targets', 'only those targets that failed or were skipped')
    .addHelpText('after', '\nExample:\n  intendant operations retry 01a22ec4-26d8-72e1-8752-99cce2817773 --failed-targets')
    .action(async (id: string, options: ServerCommandOptions & { readonly failedTargets?: boolean }) => {
      const body = options.failedTargets ? { targets: 'failed' } : {}
      return printResource(await createClient(options).json(`${pathOf(id)}/retry`, { method: 'POST', body }), options)
    })
}

const pathOf = (id: string): string => `/v1/operations/${encodeURIComponent(id)}`

async function ls(options: ServerCommandOptions): Promise<void> {
  const page = await createClient(options).json('/v1/operations', { query: queryOf({ ...options }, filters) })
  if (options.json) return printJson(page)
  printTable(['id', 'kind', 'state', 'attempt', 'lane', 'requestedAt'], (page.items ?? []) as unknown as JsonObject[])
  if (page.next !== null) print(`more: --cursor ${page.next}`)
}

interface SubmitOptions extends ServerCommandOptions {
  readonly input: string
  readonly lane?: string
  readonly limits?: string[]
  readonly priority?: number
  readonly runAt?: string
  readonly attempts?: number
  readonly timeoutMs?: number
  readonly idempotencyKey?: string
  readonly wait?: number | true
}

async function submit(kind: string, options: SubmitOptions): Promise<void> {
  const { lane, limits, priority, runAt, attempts, timeoutMs, idempotencyKey, wait } = options
  const client = createClient(options)
  const policy = { ...given({ attempts, timeoutMs }) }
  const body = {
    kind,
    input: await jsonOption(options.input, '--input'),
    ...given({ lane, limits, priority, runAt }),
    ...(Object.keys(policy).length === 0 ? {} : { policy }),
  }
  const headers: Record<string, string> = idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey }
  const operation = await client.json('/v1/operations', { method: 'POST', body, headers })
  if (wait === undefined) return printResource(operation, options)
  const ended = await untilFinished(client, String(operation.id), wait === true ? undefined : wait)
  printResource(ended, options)
  judge(ended)
}

/** Asks again and again, each time as long as the server is willing to hold the answer back. */
async function untilFinished(client: Client, id: string, timeoutS = Number.POSITIVE_INFINITY): Promise<JsonObject> {
  const deadline = systemClock.monotonic() + timeoutS * 1000
  for (;;) {
    const left = Math.max(0, Math.ceil((deadline - systemClock.monotonic()) / 1000))
    const query = new URLSearchParams({ wait: String(Math.min(left, longestWaitS)) })
    const operation = await client.json(pathOf(id), { query })
    if (finished.includes(String(operation.state))) return operation
    if (systemClock.monotonic() >= deadline)
      throw new CommandFailed('waitedTooLong', `operation ${id} is still ${operation.state} after ${timeoutS} s`)
  }
}

function judge(operation: JsonObject): void {
  if (operation.state === 'succeeded') return
  const message = isObject(operation.error) ? `: ${operation.error.message}` : ''
  throw new CommandFailed('notSucceeded', `operation ${operation.id} ended as ${operation.state}${message}`)
}
