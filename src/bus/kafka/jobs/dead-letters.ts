import type { IHeaders } from 'kafkajs'
import { type Clock, instant } from '../../../lib/clock.ts'
import type { GatheringProducer, Outgoing } from '../produce/batching-producer.ts'
import type { Source } from './job-messages.ts'

export interface DeadLetterReason {
  readonly reason: string
  readonly operationId?: string
}

/** A message that could not be handled, unchanged. */
export interface DeadLetter {
  /** `partition:offset` in the topic of dead letters. */
  readonly id: string
  readonly reason: string
  /** When it was given up. */
  readonly at: string
  readonly operationId: string | null
  /** Where it was found, and what it was. */
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: IHeaders
  /** Key of the dead letter itself. */
  readonly letterKey: string
}

const ours = 'intendant-'
const names = {
  reason: `${ours}reason`,
  at: `${ours}at`,
  operationId: `${ours}operation`,
  topic: `${ours}topic`,
  partition: `${ours}partition`,
  offset: `${ours}offset`,
  key: `${ours}key`,
  valueless: `${ours}valueless`,
} as const

/** Any record of the topic of dead letters, as a consumer gets it. */
export interface LetterRecord {
  readonly partition: number
  readonly offset: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: IHeaders
}

/**
 * The record of a letter. Its key is place and time of the message, so that groups that stumble over the same message write the same letter;
 * a record without a value under that key says that it was redriven.
 */
export const letterOf = (
  { topic, partition, message }: Source,
  why: DeadLetterReason,
  clock: Clock,
): Omit<Outgoing, 'topic'> => ({
  key: [topic, partition, message.offset, message.timestamp].join(':'),
  value: message.value ?? Buffer.alloc(0),
  headers: {
    ...message.headers,
    [names.reason]: why.reason,
    [names.at]: instant(clock.now()),
    [names.topic]: topic,
    [names.partition]: String(partition),
    [names.offset]: message.offset,
    ...(why.operationId === undefined ? {} : { [names.operationId]: why.operationId }),
    ...(message.key === null ? {} : { [names.key]: message.key }),
    ...(message.value === null ? { [names.valueless]: 'true' } : {}),
  },
})

/** Undefined for a record that is not a dead letter, such as the mark of a redriven one. */
export const letterFrom = ({ partition, offset, key, value, headers }: LetterRecord): DeadLetter | undefined => {
  const text = (name: string): string | undefined => bytesOf(headers[name])?.toString()
  const topic = text(names.topic)
  if (value === null || key === null || topic === undefined) return undefined
  return {
    id: `${partition}:${offset}`,
    reason: text(names.reason) ?? '',
    at: text(names.at) ?? '',
    operationId: text(names.operationId) ?? null,
    topic,
    partition: Number(text(names.partition)),
    offset: text(names.offset) ?? '',
    key: bytesOf(headers[names.key]) ?? null,
    value: text(names.valueless) === undefined ? value : null,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(ours))),
    letterKey: key.toString(),
  }
}

/** The open dead letters by time: one per message, without the redriven ones. */
export const openLetters = (records: Iterable<LetterRecord>): readonly DeadLetter[] => {
  const letters = new Map<string, DeadLetter>()
  const redriven = new Set<string>()
  for (const record of records) {
    const letter = letterFrom(record)
    if (letter !== undefined) {
      // If two groups reported the same message, the first one names the dead letter.
      if (!letters.has(letter.letterKey)) letters.set(letter.letterKey, letter)
    } else if (record.key !== null && record.value === null) redriven.add(record.key.toString())
  }
  return [...letters.values()]
    .filter(({ letterKey }) => !redriven.has(letterKey))
    .sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0))
}

/** Publishes messages unchanged to their topic again, and then marks their dead letters. After a crash between the two, the next call publishes them once more. */
export const redrive = async (
  letters: readonly DeadLetter[],
  { producer, topic }: { readonly producer: GatheringProducer; readonly topic: string },
): Promise<void> => {
  // One call each: the producer makes batches of them that the brokers take.
  await Promise.all(
    letters.map(({ topic: origin, key, value, headers }) => producer.send([{ topic: origin, key, value, headers }])),
  )
  await discard(letters, { producer, topic })
}

/** Marks dead letters as closed: they are not listed any more. */
export const discard = async (
  letters: readonly DeadLetter[],
  { producer, topic }: { readonly producer: GatheringProducer; readonly topic: string },
): Promise<void> => {
  await Promise.all(letters.map(({ letterKey }) => producer.send([{ topic, key: letterKey, value: null }])))
}

const bytesOf = (value: IHeaders[string]): Buffer | undefined => {
  const first = Array.isArray(value) ? value[0] : value
  return first === undefined ? undefined : Buffer.from(first as string)
}
