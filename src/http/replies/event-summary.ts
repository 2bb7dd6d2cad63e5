import type { z } from 'zod'
import type { Actor, EventDefinition } from '../../events/define.ts'
import { masked } from '../../events/sealed.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'

/** What an event's sentence may name beside its data. */
export interface Told {
  /** Who asked, and from where. */
  readonly who: string
  /** Through which API. */
  readonly through: string
  /** What follows the first hyphen of the stream's name. */
  readonly key: string
}

/** One plain sentence for each type of event. */
export type Summaries = Readonly<Record<string, (data: never, told: Told) => string>>

/** The sentences of all events of a definition. */
export type SummariesOf<Definition> =
  Definition extends EventDefinition<string, infer Schemas>
    ? { readonly [Type in keyof Schemas]: (data: z.output<Schemas[Type]>, told: Told) => string }
    : never

const longest = 300

/** Says in one sentence what an event is about; of types that no table has, only where it stands. */
export const summaryOf = (event: RecordedEvent, tables: readonly Summaries[]): string => {
  const { type, stream, data, metadata } = event
  const sentence = tables.find((table) => Object.hasOwn(table, type))?.[type]
  const told = { who: whoOf(metadata.actor), through: throughOf(metadata.actor.face), key: stream.slice(stream.indexOf('-') + 1) }
  return shortened(
    worded(sentence && (() => sentence(masked(data) as never, told))) ?? `${type} was recorded in the stream ${stream}`,
  )
}

/** Undefined for data of another form: other programs may write to a log on a server too. */
const worded = (sentence: (() => string) | undefined): string | undefined => {
  try {
    return sentence?.()
  } catch {
    return undefined
  }
}

const shortened = (text: string): string => (text.length > longest ? `${text.slice(0, longest - 1)}…` : text)

const whoOf = ({ principal, address }: Actor): string => (address === null ? principal : `${principal} at ${address}`)

const throughOf = (face: string | null): string => (face === null ? 'the native API' : `the API ${face}`)
