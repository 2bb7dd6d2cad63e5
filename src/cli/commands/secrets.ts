import type { Command } from 'commander'
import { isObject, type JsonObject } from '../../lib/json.ts'
import { createClient } from '../http-client.ts'
import { queryOf, type ServerCommandOptions, wholeNumber, withServer } from '../options.ts'
import { harmless, print, printJson, printTable } from '../terminal.ts'

/** `secrets ls|forget`: whose secrets are sealed, and how they are made unreadable. */
export const secretsCommand = (program: Command): void => {
  const group = program.command('secrets').description('manage sealed secrets; no command shows a value')
  withServer(group.command('ls').description('list subjects with sealed or forgotten secrets'))
    .option('--limit <count>', 'maximum number of items', wholeNumber)
    .option('--cursor <cursor>', 'the "next" of the previous page')
    .action(ls)
  withServer(
    group
      .command('forget <subject>')
      .description('erase the key of a subject, such as operation-<id>: its sealed values are unreadable for ever'),
  )
    .addHelpText('after', '\nExample:\n  intendant secrets forget operation-01a22ec4-26d8-72e1-8752-99cce2817773')
    .action(forget)
}

async function ls(options: ServerCommandOptions & { readonly limit?: number; readonly cursor?: string }): Promise<void> {
  const page = await createClient(options).json('/v1/secrets', { query: queryOf({ ...options }, ['limit', 'cursor']) })
  if (options.json) return printJson(page)
  printTable(['subject', 'sealedAt', 'forgottenAt', 'usedBy'], page.items as unknown as JsonObject[])
  if (page.next !== null) print(`there are more: --cursor ${page.next}`)
}

async function forget(subject: string, options: ServerCommandOptions): Promise<void> {
  const receipt = await createClient(options).json(`/v1/secrets/${encodeURIComponent(subject)}`, { method: 'DELETE' })
  if (options.json) return printJson(receipt)
  print(
    harmless(
      `the key of ${subject} was erased at ${receipt.forgottenAt}: the sealed values of ${receipt.events} events are unreadable`,
    ),
  )
  for (const remains of Array.isArray(receipt.remains) ? receipt.remains.filter(isObject) : [])
    print(harmless(`  still holds it: ${remains.what}${remains.until === null ? '' : ` (until ${remains.until})`}`))
}
