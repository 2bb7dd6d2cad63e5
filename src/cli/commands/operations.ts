import { type Command, Option } from 'commander'
import type { JsonObject } from '../../lib/json.ts'
import { createClient } from '../http-client.ts'
import { judge, pathOf, untilFinished } from '../operation-end.ts'
import { filterNames, withFilters } from '../operation-filters.ts'
import { given, jsonOption, queryOf, type ServerCommandOptions, several, wholeNumber, withAsOf, withServer } from '../options.ts'
import { type TailOptions, tailOutput } from '../tail-output.ts'
import { print, printJson, printResource, printTable } from '../terminal.ts'
import { bulkCommands } from './operations-bulk.ts'

const filters = [...filterNames, 'order', 'limit', 'cursor', 'asOf']

/** `operations ls|get|submit|wait|tail|cancel|retry` against a server, and those of many operations at once. */
export const operationsCommand = (program: Command): void => {
  const group = program.command('operations').description('manage operations')

  withFilters(withAsOf(withServer(group.command('ls').description('list operations, newest first'))))
    .option('--order <order>', 'asc or desc')
    .option('--limit <n>', 'maximum number of items', wholeNumber)
    .option('--cursor <cursor>', 'the "next" of the previous page')
    .addHelpText('after', '\nExample:\n  intendant operations ls --state running --state retrying --limit 20')
    .action(ls)

  withAsOf(withServer(group.command('get <id>').description('show one operation')))
    .addHelpText('after', '\nExample:\n  intendant operations get 01a22ec4-26d8-72e1-8752-99cce2817773')
    .action(async (id: string, options: ServerCommandOptions & { readonly asOf?: string }) =>
      printResource(await createClient(options).json(pathOf(id), { query: queryOf({ ...options }, ['asOf']) }), options),
    )

  withServer(group.command('submit <kind>').description('submit a new operation'))
    .option('--input <json>', 'its input; "-" reads stdin, "@file" reads a file', '{}')
    .option('--lane <lane>', 'operations of the same lane run one at a time')
    .option('--limits <key>', 'a limit that holds it; may be given up to 8 times', several)
    .option('--priority <n>', '0 to 1000; lower numbers run first', wholeNumber)
    .option('--run-at <time>', 'the earliest start')
    .option('--label <label>', 'a label: "key=value" or "key"', several)
    .option('--attempts <n>', 'maximum number of attempts', wholeNumber)
    .option('--timeout-ms <ms>', 'time limit of one attempt', wholeNumber)
    .option('--idempotency-key <key>', 'repeated requests with the same key submit one operation')
    .option('--wait [seconds]', 'wait until it ends', wholeNumber)
    .addHelpText(
      'after',
      `\nExample:\n  intendant operations submit probe --input '{"sleepMs": 2000}' --label team=search --wait`,
    )
    .action(submit)

  withServer(group.command('wait <id>').description('wait until an operation ends'))
    .option('--timeout <seconds>', 'maximum wait', wholeNumber)
    .addHelpText('after', '\nExample:\n  intendant operations wait 01a22ec4-26d8-72e1-8752-99cce2817773 --timeout 60')
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
    .addHelpText(
      'after',
      `\nExample:\n  intendant operations cancel 01a22ec4-26d8-72e1-8752-99cce2817773 --reason 'no longer needed'`,
    )
    .action(async (id: string, options: ServerCommandOptions & { reason?: string }) => {
      const body = options.reason === undefined ? {} : { reason: options.reason }
      printResource(await createClient(options).json(`${pathOf(id)}/cancel`, { method: 'POST', body }), options)
    })

  withServer(group.command('retry <id>').description('run an ended operation again, as a new one'))
    .option('--failed-targets', 'only those targets that failed or were skipped')
    .addHelpText('after', '\nExample:\n  intendant operations retry 01a22ec4-26d8-72e1-8752-99cce2817773 --failed-targets')
    .action(async (id: string, options: ServerCommandOptions & { readonly failedTargets?: boolean }) => {
      const body = options.failedTargets ? { targets: 'failed' } : {}
      return printResource(await createClient(options).json(`${pathOf(id)}/retry`, { method: 'POST', body }), options)
    })

  bulkCommands(group)
}

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
  readonly label?: readonly string[]
  readonly attempts?: number
  readonly timeoutMs?: number
  readonly idempotencyKey?: string
  readonly wait?: number | true
}

async function submit(kind: string, options: SubmitOptions): Promise<void> {
  const { lane, limits, priority, runAt, label, attempts, timeoutMs, idempotencyKey, wait } = options
  const client = createClient(options)
  const policy = { ...given({ attempts, timeoutMs }) }
  const body = {
    kind,
    input: await jsonOption(options.input, '--input'),
    ...given({ lane, limits, priority, runAt, labels: label && labelsOf(label) }),
    ...(Object.keys(policy).length === 0 ? {} : { policy }),
  }
  const headers: Record<string, string> = idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey }
  const operation = await client.json('/v1/operations', { method: 'POST', body, headers })
  if (wait === undefined) return printResource(operation, options)
  const ended = await untilFinished(client, String(operation.id), wait === true ? undefined : wait)
  printResource(ended, options)
  judge(ended)
}

const labelsOf = (labels: readonly string[]): JsonObject =>
  Object.fromEntries(
    labels.map((label) => {
      const [, key = '', value = ''] = /^([^=:]*)[=:]?(.*)$/s.exec(label) ?? []
      return [key, value]
    }),
  )
