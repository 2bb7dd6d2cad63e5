import type { Command } from 'commander'
import { isObject, type JsonObject, type JsonValue } from '../../lib/json.ts'
import { CommandFailed } from '../exit-codes.ts'
import { createClient } from '../http-client.ts'
import { judge, untilFinished } from '../operation-end.ts'
import { type FilterOptions, filterNames, withFilters } from '../operation-filters.ts'
import { jsonOption, queryOf, type ServerCommandOptions, wholeNumber, withAsOf, withServer } from '../options.ts'
import { print, printJson, printResource, printTable } from '../terminal.ts'

type CountsOptions = ServerCommandOptions & FilterOptions & { readonly asOf?: string }

type BulkOptions = ServerCommandOptions &
  FilterOptions & { readonly reason?: string; readonly expected?: number; readonly wait?: true }

/** `operations counts|batch|cancel-all|retry-all`: many operations at once. */
export const bulkCommands = (group: Command): void => {
  withFilters(withAsOf(withServer(group.command('counts').description('count operations by state, kind and face'))))
    .addHelpText('after', '\nExample:\n  intendant operations counts --label team:search')
    .action(counts)

  withServer(group.command('batch <items>').description('submit many operations, all or none'))
    .option('--each', 'submit the others if one is refused')
    .addHelpText('after', batchHelp)
    .action(batch)

  for (const action of ['cancel', 'retry'] as const)
    withFilters(withServer(group.command(`${action}-all`).description(`${action} all operations that the filters find`)))
      .option('--reason <text>', 'why')
      .option(
        '--expected <n>',
        `${action} them if the filters find exactly n; without this option they are only counted`,
        wholeNumber,
      )
      .option('--wait', 'wait until it is done')
      .addHelpText('after', `\nExample:\n  intendant operations ${action}-all --kind probe --label team:search --expected 12`)
      .action((options: BulkOptions) => changeAll(action, options))
}

const batchHelp = `
The items are a JSON array of requests as the API takes them; "-" reads stdin, "@file" reads a file.

Example:
  intendant operations batch '[{"kind": "probe", "input": {}, "labels": {"run": "7"}}]'`

async function counts(options: CountsOptions): Promise<void> {
  const query = queryOf({ ...options }, [...filterNames, 'asOf'])
  const found = await createClient(options).json('/v1/operations:counts', { query })
  if (options.json) return printJson(found)
  const rows = Object.entries({ state: found.byState, kind: found.byKind, face: found.byFace }).flatMap(([by, numbers]) =>
    Object.entries(isObject(numbers) ? numbers : {}).map(([name, count]) => ({ by, name, count: count as JsonValue })),
  )
  printTable(['by', 'name', 'count'], rows)
}

async function batch(given: string, options: ServerCommandOptions & { readonly each?: true }): Promise<void> {
  const items = await jsonOption(given, 'the items')
  const body: JsonObject = { items, atomic: options.each !== true }
  const answer = await createClient(options).json('/v1/operations:batch', { method: 'POST', body })
  const made = (answer.items ?? []) as readonly { readonly id?: string; readonly error?: { readonly detail: string } }[]
  if (options.json) printJson(answer)
  else for (const { id, error } of made) print(id ?? `refused: ${error?.detail}`)
  const refused = made.filter(({ error }) => error !== undefined).length
  if (refused > 0) throw new CommandFailed('failed', `${refused} of ${made.length} items were refused`)
}

async function changeAll(action: 'cancel' | 'retry', options: BulkOptions): Promise<void> {
  const { reason, expected, wait } = options
  const filter = Object.fromEntries(filterNames.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])))
  const body = { filter, ...(reason === undefined ? {} : { reason }), ...(expected === undefined ? {} : { expected }) }
  const client = createClient(options)
  const answer = await client.json(`/v1/operations:${action}`, { method: 'POST', body: body as JsonObject })
  if (expected === undefined) {
    if (options.json) return printJson(answer)
    for (const id of answer.sample as readonly string[]) print(id)
    if (answer.count === 0) return print(`The filters find no operation to ${action}.`)
    return print(`The filters find ${answer.count}. Nothing is done yet: to ${action} them, add --expected ${answer.count}`)
  }
  const operation = wait === undefined ? answer : await untilFinished(client, String(answer.id))
  printResource(operation, options)
  if (wait !== undefined) judge(operation)
}
