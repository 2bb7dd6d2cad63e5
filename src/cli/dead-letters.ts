import type { Command } from 'commander'
import pino from 'pino'
import type { DeadLetter } from '../bus/kafka/dead-letters.ts'
import { type LetterBox, openLetterBox } from '../bus/kafka/letter-box.ts'
import { loadKafkaSettings } from '../config.ts'
import { systemClock } from '../lib/clock.ts'
import { messageOf, Unavailable } from '../lib/errors.ts'
import type { JsonObject } from '../lib/json.ts'
import { CommandFailed } from './exit.ts'
import { type JsonOption, wholeNumber, withJson } from './options.ts'
import { print, printJson, printTable } from './terminal.ts'

/** `dead-letters ls|redrive`: messages of the job bus that nobody could make use of. Talks to Kafka by itself. */
export const deadLettersCommand = (program: Command): void => {
  const group = program
    .command('dead-letters')
    .description('messages of the Kafka bus that no worker could make use of; takes the KAFKA_… variables')
  withJson(group.command('ls').description('list them, the earliest first'))
    .option('--limit <count>', 'only so many of the latest', wholeNumber)
    .action(ls)
  withJson(group.command('redrive [ids...]').description('publish them again as they were; they are not listed any more'))
    .option('--all', 'every one that is listed')
    .action(redrive)
}

async function ls({ limit, json }: JsonOption & { readonly limit?: number }): Promise<void> {
  const all = await withBox((box) => box.list())
  const items = (limit === undefined ? all : limit === 0 ? [] : all.slice(-limit)).map(shown)
  if (json) return printJson({ items, next: null })
  printTable(['id', 'at', 'topic', 'partition', 'offset', 'reason', 'value'], items)
}

async function redrive(ids: readonly string[], { all = false, json }: JsonOption & { readonly all?: boolean }): Promise<void> {
  if (all === ids.length > 0) throw new CommandFailed('usage', 'name the letters by their id, or give --all')
  const redriven = await withBox(async (box) => {
    const listed = await box.list()
    const unknown = ids.filter((id) => !listed.some((letter) => letter.id === id))
    if (unknown.length > 0) throw new CommandFailed('notFound', `there is no dead letter ${unknown.join(', ')}`)
    const meant = all ? listed : listed.filter(({ id }) => ids.includes(id))
    if (meant.length > 0) await box.redrive(meant)
    return meant
  })
  if (json) return printJson({ redriven: redriven.map(({ id }) => id) })
  print(redriven.length === 1 ? '1 message was published again' : `${redriven.length} messages were published again`)
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
    const settings = loadKafkaSettings()
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
