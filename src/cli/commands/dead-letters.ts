import type { Command } from 'commander'
import pino from 'pino'
import { type LetterBox, openLetterBox } from '../../bus/kafka/jobs/dead-letter-reader.ts'
import type { DeadLetter } from '../../bus/kafka/jobs/dead-letters.ts'
import { kafkaSettings } from '../../bus/kafka/settings.ts'
import { systemClock } from '../../lib/clock.ts'
import { messageOf, Unavailable } from '../../lib/errors.ts'
import type { JsonObject } from '../../lib/json.ts'
import { setVariables } from '../../set-variables.ts'
import { CommandFailed } from '../exit-codes.ts'
import { type JsonOption, wholeNumber, withJson } from '../options.ts'
import { print, printJson, printTable } from '../terminal.ts'

/** `dead-letters ls|redrive|discard`: messages of the job bus that could not be handled. Talks to Kafka directly. */
export const deadLettersCommand = (program: Command): void => {
  const group = program.command('dead-letters').description('messages that no worker could handle; reads the KAFKA_… variables')
  withJson(group.command('ls').description('list dead letters, the oldest first'))
    .option('--limit <count>', 'only the newest <count>', wholeNumber)
    .action(ls)
  withJson(group.command('redrive [ids...]').description('publish dead letters again unchanged, and remove them from the list'))
    .option('--all', 'all listed dead letters')
    .action(redrive)
  withJson(group.command('discard [ids...]').description('remove dead letters without publishing them'))
    .option('--all', 'all listed dead letters')
    .action(discard)
}

async function ls({ limit, json }: JsonOption & { readonly limit?: number }): Promise<void> {
  const all = await withBox((box) => box.list())
  const items = (limit === undefined ? all : limit === 0 ? [] : all.slice(-limit)).map(shown)
  if (json) return printJson({ items, next: null })
  printTable(['id', 'at', 'topic', 'partition', 'offset', 'reason', 'value'], items)
}

type Which = JsonOption & { readonly all?: boolean }

async function redrive(ids: readonly string[], { json, ...which }: Which): Promise<void> {
  const redriven = await each(ids, which, (box, letters) => box.redrive(letters))
  if (json) return printJson({ redriven: redriven.map(({ id }) => id) })
  print(redriven.length === 1 ? '1 message was published again' : `${redriven.length} messages were published again`)
}

async function discard(ids: readonly string[], { json, ...which }: Which): Promise<void> {
  const discarded = await each(ids, which, (box, letters) => box.discard(letters))
  if (json) return printJson({ discarded: discarded.map(({ id }) => id) })
  print(discarded.length === 1 ? '1 message was discarded' : `${discarded.length} messages were discarded`)
}

/** Applies an action to the selected dead letters, and returns them. */
async function each(
  ids: readonly string[],
  { all = false }: Which,
  use: (box: LetterBox, letters: readonly DeadLetter[]) => Promise<void>,
): Promise<readonly DeadLetter[]> {
  if (all === ids.length > 0) throw new CommandFailed('usage', 'name the dead letters by id, or use --all')
  return withBox(async (box) => {
    const listed = await box.list()
    const unknown = ids.filter((id) => !listed.some((letter) => letter.id === id))
    if (unknown.length > 0) throw new CommandFailed('notFound', `there is no dead letter ${unknown.join(', ')}`)
    const meant = all ? listed : listed.filter(({ id }) => ids.includes(id))
    if (meant.length > 0) await use(box, meant)
    return meant
  })
}

async function withBox<Result>(use: (box: LetterBox) => Promise<Result>): Promise<Result> {
  const settings = settingsGiven()
  try {
    const box = await openLetterBox({ settings, clock: systemClock, logger: pino({ level: 'silent' }) })
    try {
      return await use(box)
    } finally {
      await box.close()
    }
  } catch (error) {
    throw error instanceof Unavailable ? new CommandFailed('outOfReach', error.message) : error
  }
}

function settingsGiven() {
  try {
    const settings = kafkaSettings(setVariables())
    if (settings !== undefined) return settings
  } catch (error) {
    throw new CommandFailed('usage', messageOf(error))
  }
  throw new CommandFailed('usage', 'KAFKA_BROKERS is not set: the bus inside a process has no dead letters')
}

/** Bytes that are no text are shown in base64. */
const shown = ({ id, at, reason, operationId, topic, partition, offset, key, value }: DeadLetter): JsonObject => {
  const text = value?.toString()
  const isText = value === null || Buffer.from(text ?? '').equals(value)
  return {
    id,
    at,
    reason,
    operationId,
    topic,
    partition,
    offset,
    key: key === null ? null : key.toString(),
    ...(isText ? { value: text ?? null } : { valueBase64: value.toString('base64') }),
  }
}
