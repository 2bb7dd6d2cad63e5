import type { Command } from 'commander'
import { isObject, type JsonObject } from '../../lib/json.ts'
import { CommandFailed } from '../exit-codes.ts'
import { createClient, refusal } from '../http-client.ts'
import { queryOf, type ServerCommandOptions, wholeNumber, withAsOf, withServer } from '../options.ts'
import { harmless, print, printJson, printTable } from '../terminal.ts'

/** `limits ls|get|set|rm`: how many operations that name a key run, and how often they start. */
export const limitsCommand = (program: Command): void => {
  const group = program.command('limits').description('manage limits of operations')
  withAsOf(withServer(group.command('ls').description('list limits, with what runs and waits')))
    .option('--limit <count>', 'maximum number of items', wholeNumber)
    .option('--cursor <cursor>', 'the "next" of the previous page')
    .action(ls)
  withAsOf(withServer(group.command('get <key>').description('show one limit'))).action(get)
  withServer(group.command('set <key>').description('create or replace a limit; it applies to waiting operations at once'))
    .option('--concurrency <count>', 'operations that run at a time; 0 holds all of them', wholeNumber)
    .option('--rate <count/ms>', 'attempts that start within a time in milliseconds, such as 10/60000')
    .addHelpText('after', '\nExample:\n  intendant limits set site:example.com --concurrency 2 --rate 10/60000')
    .action(set)
  withServer(group.command('rm <key>').description('remove a limit; what it held may start')).action(rm)
}

const pathOf = (key: string): string => `/v1/limits/${encodeURIComponent(key)}`

const rateOf = ({ rate }: JsonObject): string | null => (isObject(rate) ? `${rate.count}/${rate.perMs}` : null)

const show = (limit: JsonObject, { json }: ServerCommandOptions): void => {
  if (json) printJson(limit)
  else
    for (const [name, value] of Object.entries({ ...limit, rate: rateOf(limit) }))
      print(`${`${name}:`.padEnd(15)}${value === null ? '-' : harmless(String(value))}`)
}

async function ls(
  options: ServerCommandOptions & { readonly limit?: number; readonly cursor?: string; readonly asOf?: string },
): Promise<void> {
  const page = await createClient(options).json('/v1/limits', { query: queryOf({ ...options }, ['limit', 'cursor', 'asOf']) })
  if (options.json) return printJson(page)
  const items = (page.items as unknown as JsonObject[]).map((limit) => ({ ...limit, rate: rateOf(limit) }))
  printTable(['key', 'concurrency', 'rate', 'running', 'waiting', 'windowUsed'], items)
  if (page.next !== null) print(`there are more: --cursor ${page.next}`)
}

async function get(key: string, options: ServerCommandOptions & { readonly asOf?: string }): Promise<void> {
  show(await createClient(options).json(pathOf(key), { query: queryOf({ ...options }, ['asOf']) }), options)
}

async function set(
  key: string,
  { concurrency, rate, ...options }: ServerCommandOptions & { readonly concurrency?: number; readonly rate?: string },
): Promise<void> {
  const [, count, perMs] = rate === undefined ? [] : (/^(\d{1,15})\/(\d{1,15})$/.exec(rate) ?? [])
  if (rate !== undefined && count === undefined)
    throw new CommandFailed('usage', `--rate: "${rate}" is not of the form <count>/<milliseconds>`)
  const body = {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(count === undefined ? {} : { rate: { count: Number(count), perMs: Number(perMs) } }),
  }
  if (Object.keys(body).length === 0) throw new CommandFailed('usage', 'give --concurrency, --rate or both')
  show(await createClient(options).json(pathOf(key), { method: 'PUT', body }), options)
}

async function rm(key: string, options: ServerCommandOptions): Promise<void> {
  const response = await createClient(options).send(pathOf(key), { method: 'DELETE' })
  if (response.status >= 400) throw await refusal(response)
  if (options.json) return printJson({ key, removed: true })
  print(harmless(`the limit ${key} is removed`))
}
