import { text as readAll } from 'node:stream/consumers'
import { type Command, InvalidArgumentError } from 'commander'
import type { JsonObject } from '../../lib/json.ts'
import { CommandFailed } from '../exit-codes.ts'
import { createClient, refusal } from '../http-client.ts'
import { queryOf, type ServerCommandOptions, several, wholeNumber, withAsOf, withServer } from '../options.ts'
import { harmless, print, printJson, printResource, printTable } from '../terminal.ts'

const paging = (command: Command): Command =>
  command
    .option('--limit <n>', 'maximum number of items', wholeNumber)
    .option('--cursor <cursor>', 'the "next" of the previous page')

/** `webhooks ls|get|add|rm|pause|resume|parked` against a server. */
export const webhooksCommand = (program: Command): void => {
  const group = program.command('webhooks').description('manage webhooks: where events are sent to')

  paging(withAsOf(withServer(group.command('ls').description('list webhooks, by name')))).action(ls)

  withAsOf(withServer(group.command('get <name>').description('show one webhook'))).action(
    async (name: string, options: ServerCommandOptions) =>
      printResource(await createClient(options).json(pathOf(name), { query: queryOf({ ...options }, ['asOf']) }), options),
  )

  withServer(group.command('add <name> <target>').description('send events to an address, from now on'))
    .option('--type <type>', 'only events of these types', several)
    .option('--category <category>', 'only of these categories of streams', several)
    .option('--stream <stream>', 'only of these streams', several)
    .option('--correlation <id>', 'only with these correlation ids', several)
    .option('--principal <name>', 'only caused by these principals', several)
    .option('--from <position>', 'begin behind this position; 0 sends the whole history')
    .option('--secret-stdin', 'sign with the secret from stdin; default: one is made and printed once')
    .option('--paused', 'send nothing until it is resumed')
    .addHelpText(
      'after',
      '\nExample:\n  intendant webhooks add orders https://example.com/hooks --type OperationSucceeded --type OperationFailed',
    )
    .action(add)

  withServer(group.command('rm <name>').description('delete a webhook')).action(
    async (name: string, options: ServerCommandOptions) => {
      const response = await createClient(options).send(pathOf(name), { method: 'DELETE' })
      if (response.status >= 400) throw await refusal(response)
      if (options.json) printJson({ name, deleted: true })
      else print(harmless(`the webhook ${name} is deleted`))
    },
  )

  for (const [word, what] of [
    ['pause', 'send nothing for the time being'],
    ['resume', 'go on where it was'],
  ] as const)
    withServer(group.command(`${word} <name>`).description(what)).action(async (name: string, options: ServerCommandOptions) =>
      printResource(await createClient(options).json(`${pathOf(name)}/${word}`, { method: 'POST' }), options),
    )

  paging(withAsOf(withServer(group.command('parked <name>').description('list, redrive or discard events that were given up'))))
    .option('--redrive <id>', 'try this one again', eventId)
    .option('--discard <id>', 'give this one up for ever', eventId)
    .addHelpText('after', '\nExample:\n  intendant webhooks parked orders --redrive 01a1feb0-1fd7-83b1-a108-4b257b40f451')
    .action(parked)
}

const pathOf = (name: string): string => `/v1/webhooks/${encodeURIComponent(name)}`

const eventId = (text: string): string => {
  if (!/^[0-9a-f-]{36}$/.test(text)) throw new InvalidArgumentError('It must be the id of an event.')
  return text
}

async function ls(options: ServerCommandOptions): Promise<void> {
  const page = await createClient(options).json('/v1/webhooks', { query: queryOf({ ...options }, ['limit', 'cursor', 'asOf']) })
  if (options.json) return printJson(page)
  printTable(['name', 'active', 'lag', 'failures', 'parked', 'url'], page.items as unknown as JsonObject[])
  if (page.next !== null) print(`more: --cursor ${page.next}`)
}

interface AddOptions extends ServerCommandOptions {
  readonly from?: string
  readonly secretStdin?: boolean
  readonly paused?: boolean
}

const filters = ['type', 'category', 'stream', 'correlation', 'principal'] as const

async function add(
  name: string,
  target: string,
  options: AddOptions & { readonly [Filter in (typeof filters)[number]]?: readonly string[] },
): Promise<void> {
  const { from, secretStdin, paused } = options
  // Not as an argument: every user of the machine sees those.
  const secret = secretStdin ? (await readAll(process.stdin)).replace(/\r?\n$/, '') : undefined
  const filter = Object.fromEntries(filters.flatMap((one) => (options[one] === undefined ? [] : [[one, options[one]]])))
  const body = {
    ...{ name, url: target, filter },
    ...(from === undefined ? {} : { from }),
    ...(secret === undefined ? {} : { secret }),
    ...(paused === true ? { active: false } : {}),
  }
  const webhook = await createClient(options).json('/v1/webhooks', { method: 'POST', body })
  printResource(webhook, options)
  if (!options.json && webhook.secret !== undefined) print('keep the secret: it is not shown again')
}

async function parked(
  name: string,
  options: ServerCommandOptions & { readonly redrive?: string; readonly discard?: string },
): Promise<void> {
  const client = createClient(options)
  const { redrive, discard } = options
  if (redrive !== undefined && discard !== undefined) throw new CommandFailed('usage', 'give either --redrive or --discard')
  const id = redrive ?? discard
  if (id !== undefined) {
    const word = redrive === undefined ? 'discard' : 'redrive'
    return printResource(await client.json(`${pathOf(name)}/parked/${id}/${word}`, { method: 'POST' }), options)
  }
  const page = await client.json(`${pathOf(name)}/parked`, { query: queryOf({ ...options }, ['limit', 'cursor', 'asOf']) })
  if (options.json) return printJson(page)
  printTable(['id', 'stream', 'attempts', 'parkedAt', 'error'], page.items as unknown as JsonObject[])
  if (page.next !== null) print(`more: --cursor ${page.next}`)
}
