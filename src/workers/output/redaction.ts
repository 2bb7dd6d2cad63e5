import { isSealed, secretMask } from '../../events/sealed.ts'
import { isObject, type JsonValue } from '../../lib/json.ts'
import { formsOf, shortestSecret } from './secret-forms.ts'
import { type SearchTable, searchTable } from './text-search.ts'

/** Keeps the secrets of one operation out of what its work says: messages, output, results. */
export interface Redaction {
  text(text: string): string
  /** Member names too; numbers that are a secret. What JSON cannot hold becomes what it makes of it. */
  json(value: JsonValue): JsonValue
  /** For text that comes in pieces: a secret may begin in one and end in another. */
  stream(): RedactedStream
}

export interface RedactedStream {
  /** What may be shown by now: all but what may be the beginning of a secret. */
  push(text: string): string
  /** The rest. */
  end(): string
}

/** One that masks nothing. */
export const noRedaction: Redaction = {
  text: (text) => text,
  json: (value) => value,
  stream: () => ({ push: (text) => text, end: () => '' }),
}

/** Secrets shorter than 4 characters stand in too many innocent words and are not masked. */
export const createRedaction = (secretTexts: readonly string[]): Redaction => {
  const secrets = new Set(secretTexts.filter(({ length }) => length >= shortestSecret))
  if (secrets.size === 0) return noRedaction
  const forms = [...secrets].map(formsOf)
  const tables = [
    searchTable([...new Set(forms.flatMap(({ literal }) => literal))]),
    searchTable([...new Set(forms.flatMap(({ wrapped }) => wrapped))], { overLines: true }),
  ]
  const begins = new Uint8Array(0x1_0000)
  for (const table of tables) table.markBeginnings(begins)
  const text = (shown: string): string => {
    const stream = redactedStream(tables, begins)
    return stream.push(shown) + stream.end()
  }
  const masked = (value: JsonValue): JsonValue => {
    if (typeof value === 'string') return text(value)
    if (typeof value === 'number') return secrets.has(String(value)) ? secretMask : value
    if (Array.isArray(value)) return value.map(masked)
    // A sealed value opens for its subject alone: a mask in that name would lose it.
    if (!isObject(value) || isSealed(value)) return value
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [text(name), masked(member as JsonValue)]))
  }
  return { text, json: (value) => masked(asRecorded(value)), stream: () => redactedStream(tables, begins) }
}

/** One that is told further secrets while it is in use; streams search for them from their next piece on. */
export const createGrowingRedaction = (): Redaction & { learn(secretTexts: readonly string[]): void } => {
  const known = new Set<string>()
  let current = noRedaction
  return {
    learn: (secretTexts) => {
      // Thousands of targets may open the same secret, and what is searched for is made anew with each further one.
      if (secretTexts.every((text) => known.has(text))) return
      for (const text of secretTexts) known.add(text)
      current = createRedaction([...known])
    },
    text: (text) => current.text(text),
    json: (value) => current.json(value),
    stream: () => {
      let begunWith = current
      let stream = begunWith.stream()
      return {
        push: (text) => {
          if (begunWith === current) return stream.push(text)
          const held = stream.end()
          begunWith = current
          stream = begunWith.stream()
          return held + stream.push(text)
        },
        end: () => stream.end(),
      }
    },
  }
}

/** What cannot be put into JSON is left to the log, which says so. */
const asRecorded = (value: JsonValue): JsonValue => {
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null') as JsonValue
  } catch {
    return value
  }
}

/** A stretch to be masked; `to` is the place of its last character. */
interface Stretch {
  from: number
  to: number
}

/**
 * Stretches that overlap are masked as one, so that no end of a secret stays beside the mask of another. `begins` marks the characters with which something begins
 * that is looked for: between two finds nearly all others are passed over.
 */
const redactedStream = (tables: readonly SearchTable[], begins: Uint8Array): RedactedStream => {
  const searches = tables.map((table) => table.search())
  let held = ''
  /** Place of the first held character, and of the next one that comes. */
  let begin = 0
  let next = 0
  let stretches: Stretch[] = []
  /** The end of the last stretch whose mask was shown. */
  let maskedTo = -1

  const mark = (length: number): void => {
    if (length === 0) return
    let from = next - length
    // A stretch that was shown already only becomes longer.
    if (from <= maskedTo) {
      maskedTo = next - 1
      stretches = []
      return
    }
    for (let last = stretches.at(-1); last !== undefined && last.to >= from; last = stretches.at(-1)) {
      from = Math.min(from, last.from)
      stretches.pop()
    }
    stretches.push({ from, to: next - 1 })
  }

  /** The held text before a place. */
  const show = (end: number): string => {
    let shown = ''
    let at = Math.max(begin, Math.min(end, maskedTo + 1))
    const due = stretches.filter(({ from }) => from < end)
    stretches = stretches.slice(due.length)
    for (const { from, to } of due) {
      shown += held.slice(at - begin, from - begin) + secretMask
      maskedTo = to
      at = Math.min(to + 1, end)
    }
    shown += held.slice(at - begin, end - begin)
    held = held.slice(end - begin)
    begin = end
    return shown
  }

  /** How many of the last characters may be the beginning of something. */
  const open = (): number => {
    let most = 0
    for (const search of searches) most = Math.max(most, search.open())
    return most
  }

  /** Where the first character from `at` on stands that may begin something. */
  const innocentFrom = (text: string, at: number): number => {
    let place = at
    while (place < text.length && begins[text.charCodeAt(place)] === 0) place++
    return place
  }

  return {
    push: (text) => {
      held += text
      for (let at = 0; at < text.length; at++) {
        const innocent = open() === 0 ? innocentFrom(text, at) - at : 0
        for (const search of searches) search.skip(innocent)
        next += innocent
        at += innocent
        if (at === text.length) break
        next += 1
        for (const search of searches) mark(search.take(text.charCodeAt(at)))
      }
      return show(next - open())
    },
    end: () => show(next),
  }
}
