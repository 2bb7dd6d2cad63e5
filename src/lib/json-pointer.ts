import type { JsonValue } from './json.ts'

/** The names of a JSON Pointer (RFC 6901), none for the whole. */
export const namesOf = (pointer: string): readonly string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))

/** The JSON Pointer (RFC 6901) that leads through some names, `""` through none. */
export const pointerTo = (names: readonly PropertyKey[]): string =>
  names.map((name) => `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/** The value at a JSON Pointer (RFC 6901), `""` for the whole; undefined where there is none. Inherited members are no values. */
export const valueAt = (value: JsonValue, pointer: string): JsonValue | undefined => {
  if (pointer === '') return value
  if (!pointer.startsWith('/')) return undefined
  let at: JsonValue | undefined = value
  for (const name of namesOf(pointer)) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    if (Array.isArray(at) && !/^(0|[1-9]\d*)$/.test(name)) return undefined
    at = (at as Readonly<Record<string, JsonValue | undefined>>)[name]
  }
  return at
}
