import type { Command } from 'commander'
import { isObject, type JsonObject } from '../lib/json.ts'
import { createClient } from './client.ts'
import { queryOf, type ServerCommandOptions, wholeNumber, withServer } from './options.ts'
import { harmless, print, printJson, printTable } from './terminal.ts'

/** `secrets ls|forget`: whose secrets are sealed, and how they are made unreadable. */
export const secretsCommand = (program: Command): void => {
  const group = program.command('secrets').description('secrets that are sealed in the log; no command shows a value')
  withServer(group.command('ls').description('list whose secrets are sealed or were forgotten'))
    .option('--limit <count>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'the "next" of the page before')
    .action(ls)
  withServer(
    group
      .command('forget <subject>')
      .description('make what is sealed for a subject, such as operation-<id>, unreadable for ever'),
  ).action(forget)
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
    harmless(`${subject} is forgotten since ${receipt.forgottenAt}: sealed values of ${receipt.events} events are unreadable`),
  )
  for (const remains of Array.isArray(receipt.remains) ? receipt.remains.filter(isObject) : [])
    print(harmless(`  still: ${remains.what}${remains.until === null ? '' : ` (until ${remains.until})`}`))
}
