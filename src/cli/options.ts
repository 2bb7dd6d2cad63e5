import { readFile } from 'node:fs/promises'
import { text as readAll } from 'node:stream/consumers'
import { type Command, InvalidArgumentError } from 'commander'
import { messageOf } from '../lib/errors.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { CommandFailed } from './exit-codes.ts'
import type { ServerOptions } from './http-client.ts'

export interface JsonOption {
  readonly json?: boolean
}
export type ServerCommandOptions = ServerOptions & JsonOption

/** `--json`, which every command takes. */
export const withJson = (command: Command): Command => command.option('--json', 'print JSON: one value, or one value per line')

/** For commands that talk to a server. */
export const withServer = (command: Command): Command =>
  withJson(
    command
      .option('--url <url>', 'the server (INTENDANT_URL; default http://127.0.0.1:8080)')
      .option('--token <token>', 'credentials (INTENDANT_TOKEN)'),
  )

/** For commands that read. */
export const withAsOf = (command: Command): Command =>
  command.option('--as-of <moment>', 'state as of a position, a time (RFC 3339) or the id of an event')

/** For commands that open the data directory themselves, while no server holds it. */
export const withDataDir = (command: Command): Command =>
  withJson(command.option('--data-dir <directory>', 'the data directory (DATA_DIR; default ./data)'))

/** An option that may be given several times. */
export const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

export const wholeNumber = (text: string): number => {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

/** Query parameters of the options that were given, named as the API names them. */
export const queryOf = (options: Readonly<Record<string, unknown>>, names: readonly string[]): URLSearchParams => {
  const query = new URLSearchParams()
  for (const name of names) for (const value of [options[name] ?? []].flat()) query.append(name, String(value))
  return query
}

/** The members that were given. */
export const given = (members: Readonly<Record<string, JsonValue | undefined>>): JsonObject =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))

/** The value of an option that is JSON: as it is, `-` for standard input, `@file` for a file. */
export const jsonOption = async (option: string, name: string): Promise<JsonValue> => {
  const text =
    option === '-' ? await readAll(process.stdin) : option.startsWith('@') ? await textOf(option.slice(1), name) : option
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CommandFailed('usage', `${name} is not JSON: ${messageOf(error)}`)
  }
}

/** Says why a file that the user named cannot be read. */
export const unreadable = (file: string, error: unknown): string => {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' ? `there is no file ${file}` : `${file} cannot be read: ${code}`
}

const textOf = async (file: string, name: string): Promise<string> => {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new CommandFailed('usage', `${name}: ${unreadable(file, error)}`)
  }
}
