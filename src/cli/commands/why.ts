import type { Command } from 'commander'
import type { JsonObject } from '../../lib/json.ts'
import { CommandFailed, exitCodes } from '../exit-codes.ts'
import { type Client, createClient } from '../http-client.ts'
import { queryOf, type ServerCommandOptions, wholeNumber, withAsOf, withServer } from '../options.ts'
import { coloured, harmless, print, printJson } from '../terminal.ts'

interface WhyOptions extends ServerCommandOptions {
  readonly asOf?: string
  readonly limit?: number
  readonly cursor?: string
}

interface Step {
  readonly type: string
  readonly id: string
  readonly at: string
  readonly summary: string
}

interface Why {
  readonly cause: readonly Step[]
  readonly effects: { readonly items: readonly Step[]; readonly next: string | null }
}

/** `why ID`: the chain from the request to an operation or an event, and what it caused. */
export const whyCommand = (program: Command): void => {
  withAsOf(withServer(program.command('why <id>').description('show what led to an operation or an event, and what it caused')))
    .option('--limit <n>', 'maximum number of effects', wholeNumber)
    .option('--cursor <cursor>', 'continue where a page of effects ended')
    .addHelpText('after', '\nExample:\n  intendant why 01a22ec4-26d8-72e1-8752-99cce2817773')
    .action(why)
}

async function why(id: string, options: WhyOptions): Promise<void> {
  const answer = await ask(createClient(options), id, queryOf({ ...options }, ['limit', 'cursor', 'asOf']))
  if (options.json) return printJson(answer)
  const { cause, effects } = answer as unknown as Why
  for (const [depth, step] of cause.entries()) printStep(step, depth, depth === cause.length - 1)
  for (const step of effects.items) printStep(step, cause.length, false)
  if (effects.next !== null) print(`more: --cursor ${effects.next}`)
}

/** Ids of operations and of events look the same. */
const ask = async (client: Client, id: string, query: URLSearchParams): Promise<JsonObject> => {
  const name = encodeURIComponent(id)
  for (const path of [`/v1/operations/${name}/why`, `/v1/events/${name}/why`])
    try {
      return await client.json(path, { query })
    } catch (error) {
      if (!(error instanceof CommandFailed) || error.code !== exitCodes.notFound) throw error
    }
  throw new CommandFailed('notFound', `there is no operation and no event ${id}`)
}

/** The one that was asked about stands out. */
const printStep = ({ at, type, id, summary }: Step, depth: number, isAsked: boolean): void => {
  const text = harmless(summary).replace(/\s+/g, ' ')
  print(`${at}  ${'  '.repeat(depth)}${isAsked ? coloured('bold', text) : text}  (${type} ${id})`)
}
