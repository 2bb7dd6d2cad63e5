import type { Command } from 'commander'
import { isObject, type JsonObject } from '../../lib/json.ts'
import { createClient } from '../http-client.ts'
import { queryOf, type ServerCommandOptions, wholeNumber, withServer } from '../options.ts'
import { print, printJson, printTable } from '../terminal.ts'

/** `kinds ls`: what can be submitted, who runs it, and which manifests are faulty. */
export const kindsCommand = (program: Command): void => {
  const group = program.command('kinds').description('look at the kinds of operations')
  withServer(group.command('ls').description('list kinds, with the faults of manifests in KINDS_DIR'))
    .option('--limit <count>', 'maximum number of items', wholeNumber)
    .option('--cursor <cursor>', 'the "next" of the previous page')
    .addHelpText('after', '\nExample:\n  intendant kinds ls --json')
    .action(ls)
}

const faultOf = ({ fault }: JsonObject): string | null =>
  isObject(fault) ? `${fault.file}${fault.pointer === '' ? '' : ` at ${fault.pointer}`}: ${fault.message}` : null

async function ls(options: ServerCommandOptions & { readonly limit?: number; readonly cursor?: string }): Promise<void> {
  const page = await createClient(options).json('/v1/kinds', { query: queryOf({ ...options }, ['limit', 'cursor']) })
  if (options.json) return printJson(page)
  const items = (page.items as unknown as JsonObject[]).map((kind) => ({ ...kind, fault: faultOf(kind) }))
  printTable(['kind', 'submittable', 'workers', 'description', 'fault'], items)
  if (page.next !== null) print(`there are more: --cursor ${page.next}`)
}
