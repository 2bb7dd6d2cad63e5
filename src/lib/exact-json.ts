import type { JsonValue } from './json.ts'

interface ExactNumbers {
  readonly parse: (text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown) => unknown
  readonly rawJSON: (text: string) => unknown
}

/**
 * The same JSON with every number as it was written (`1.0`, integers beyond 2^53): it stringifies to the text that came. The
 * numbers in it are opaque and good for nothing else.
 */
export const exactly = (text: string): JsonValue => {
  const { parse, rawJSON } = JSON as unknown as ExactNumbers
  return parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? rawJSON(source) : value,
  ) as JsonValue
}
