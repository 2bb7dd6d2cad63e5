import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream as WebStream } from 'node:stream/web'
import type { Command } from 'commander'
import { messageOf } from '../../lib/errors.ts'
import type { JsonObject } from '../../lib/json.ts'
import { CommandFailed } from '../exit-codes.ts'
import { createClient, refusal } from '../http-client.ts'
import { queryOf, type ServerCommandOptions, unreadable, wholeNumber, withAsOf, withServer } from '../options.ts'
import { harmless, print, printJson, printTable } from '../terminal.ts'

/** `blobs ls|put|get|rm`: files of any size on a server. Each is read and written as a stream, and compared with its id. */
export const blobsCommand = (program: Command): void => {
  const group = program.command('blobs').description('upload, download and delete blobs: files of any size')

  withAsOf(withServer(group.command('ls').description('list blobs, newest first')))
    .option('--unused', 'only those that no operation uses that has not ended')
    .option('--limit <count>', 'maximum number of items', wholeNumber)
    .option('--cursor <cursor>', 'the "next" of the previous page')
    .addHelpText('after', '\nExample:\n  intendant blobs ls --unused')
    .action(ls)

  withServer(group.command('put <file>').description('upload a file; "-" reads stdin'))
    .option('--type <type>', 'its content type (default application/octet-stream)')
    .addHelpText('after', '\nExample:\n  intendant blobs put backup.tar.gz --type application/gzip')
    .action(put)

  withServer(group.command('get <id>').description('download a blob to stdout'))
    .option('--output <file>', 'write it to a file instead')
    .addHelpText('after', '\nExample:\n  intendant blobs get sha256-5891b5b5… --output backup.tar.gz')
    .action(get)

  withServer(group.command('rm <id...>').description('delete blobs'))
    .addHelpText('after', '\nExample:\n  intendant blobs rm sha256-5891b5b5…')
    .action(rmAll)
}

const pathOf = (id: string): string => `/v1/blobs/${encodeURIComponent(id)}`

interface ListOptions extends ServerCommandOptions {
  readonly unused?: boolean
  readonly limit?: number
  readonly cursor?: string
  readonly asOf?: string
}

async function ls(options: ListOptions): Promise<void> {
  const query = queryOf({ ...options }, ['unused', 'limit', 'cursor', 'asOf'])
  const page = await createClient(options).json('/v1/blobs', { query })
  if (options.json) return printJson(page)
  printTable(['id', 'size', 'contentType', 'createdAt'], page.items as unknown as JsonObject[])
  if (page.next !== null) print(`there are more: --cursor ${page.next}`)
}

async function put(file: string, options: ServerCommandOptions & { readonly type?: string }): Promise<void> {
  const { type, json } = options
  const hashed = sha256Of(file === '-' ? process.stdin : await opened(file))
  const headers: Record<string, string> = type === undefined ? {} : { 'Content-Type': type }
  const response = await createClient(options).upload('/v1/blobs', { content: hashed.content, headers })
  if (response.status >= 400) throw await refusal(response)
  const blob = (await response.json()) as JsonObject
  check(String(blob.id), hashed.id())
  if (json) printJson(blob)
  else print(harmless(String(blob.id)))
}

const opened = async (file: string): Promise<Readable> => {
  try {
    if (!(await stat(file)).isDirectory()) return createReadStream(file)
  } catch (error) {
    throw new CommandFailed('usage', unreadable(file, error))
  }
  throw new CommandFailed('usage', `${file} is a directory`)
}

async function get(id: string, options: ServerCommandOptions & { readonly output?: string }): Promise<void> {
  const { output, json } = options
  const response = await createClient(options).send(pathOf(id))
  if (response.status >= 400) throw await refusal(response)
  const hashed = sha256Of(Readable.fromWeb((response.body ?? ReadableStream.from([])) as WebStream))
  if (output === undefined) {
    await received(pipeline(hashed.content, process.stdout, { end: false }))
    return check(id, hashed.id())
  }
  // The file gets its name when it is whole.
  const part = `${output}.part`
  try {
    await received(pipeline(hashed.content, createWriteStream(part)))
    check(id, hashed.id())
    await rename(part, output)
  } finally {
    await rm(part, { force: true })
  }
  if (json) printJson({ id, file: output })
}

const received = async (transfer: Promise<void>): Promise<void> => {
  try {
    await transfer
  } catch (error) {
    throw new CommandFailed('failed', `the blob could not be received: ${messageOf(error)}`)
  }
}

async function rmAll(ids: readonly string[], options: ServerCommandOptions): Promise<void> {
  const client = createClient(options)
  for (const id of ids) {
    const response = await client.send(pathOf(id), { method: 'DELETE' })
    if (response.status >= 400) throw await refusal(response)
    if (options.json) printJson({ id, deleted: true })
    else print(harmless(`${id} is deleted`))
  }
}

/** The content as it passes, and the id that it has once it has passed. */
const sha256Of = (source: AsyncIterable<Uint8Array>) => {
  const hash = createHash('sha256')
  const passing = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      hash.update(chunk)
      yield chunk
    }
  }
  return { content: Readable.from(passing(), { objectMode: false }), id: () => `sha256-${hash.digest('hex')}` }
}

const check = (expected: string, actual: string): void => {
  if (expected !== actual)
    throw new CommandFailed('failed', `the bytes were changed on their way: ${actual} instead of ${expected}`)
}
