import type { JsonValue } from '../../lib/json.ts'
import { valueAt } from '../../lib/json-pointer.ts'

const inBraces = /\{(\/[^{}]*)\}/g

/** The JSON Pointers between braces in a text: `db:{/name}` has `/name`. */
export const pointersIn = (text: string): readonly string[] => [...text.matchAll(inBraces)].map(([, pointer = '']) => pointer)

/** A text whose braces are filled from a value; the first pointer that leads to no text, number or truth value where there is one. */
export const filled = (
  text: string,
  value: JsonValue,
): { readonly text: string; readonly missing?: undefined } | { readonly missing: string } => {
  let missing: string | undefined
  const whole = text.replaceAll(inBraces, (_, pointer: string) => {
    const found = valueAt(value, pointer)
    if (typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean') return String(found)
    missing ??= pointer
    return ''
  })
  return missing === undefined ? { text: whole } : { missing }
}
