import { z } from 'zod'
import { instant, isInstant, parseInstant } from '../../lib/clock.ts'
import { isObject } from '../../lib/json.ts'
import type { Known } from '../../projections/known.ts'
import { Problem } from '../replies/problem.ts'

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `a whole number from ${min} to ${max}`)

/** A whole number in a query parameter. */
export const number = (min: number, max: number, description: string) =>
  wholeNumber(min, max).optional().meta({ description, type: 'integer', minimum: min, maximum: max })

/** How many items a page holds. Source: native contract, section 1. */
export const limit = (fallback = 50, max = 1000) =>
  wholeNumber(1, max)
    .default(fallback)
    .meta({ description: 'Maximum number of items', type: 'integer', minimum: 1, maximum: max, default: fallback })

export const cursor = z.string().min(1).max(2000).optional().meta({ description: 'The `next` of the previous page' })

export const order = (fallback: 'asc' | 'desc') =>
  z.enum(['asc', 'desc']).default(fallback).meta({ description: 'Order of the items' })

/** Seconds that an answer may wait. */
export const wait = number(0, 60, 'Seconds to wait for a change at most')

/** A repeatable parameter: any of its values. */
export const anyOf = (description: string, value: z.ZodType<string> = z.string().min(1).max(1000)) =>
  z.array(value).max(100).optional().meta({ description, repeatable: true })

/** An instant, RFC 3339 with an offset; normalised to UTC milliseconds so that it compares as text. */
export const time = (description: string) =>
  z
    .string()
    .refine(isTime, 'a time in RFC 3339, such as 2026-11-21T05:27:00.123Z, of the years 0000 to 9999 in UTC')
    .transform((text) => instant(parseInstant(text.replace(' ', '+'))))
    .optional()
    .meta({ description, type: 'string', format: 'date-time' })

const rfc3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+ -]\d{2}:\d{2})$/
/** Whether a text is a time in RFC 3339; a `+` that was not percent-encoded arrives as a space. */
export function isTime(text: string): boolean {
  return rfc3339.test(text) && isInstant(text.replace(' ', '+'))
}

/** Validates a query against its schema; unknown, doubled and malformed parameters are named as `?name` in a problem `invalid`. */
export const parseQuery = <Query extends z.ZodObject>(schema: Query, given: URLSearchParams): z.infer<Query> => {
  const errors: { pointer: string; message: string }[] = []
  const values: Record<string, unknown> = {}
  for (const name of new Set(given.keys())) {
    const member = Object.hasOwn(schema.shape, name) ? schema.shape[name] : undefined
    const all = given.getAll(name)
    if (member === undefined) errors.push({ pointer: `?${name}`, message: unknownParameter(schema) })
    else if (isRepeatable(member)) values[name] = all
    else if (all.length > 1) errors.push({ pointer: `?${name}`, message: 'may be given once' })
    else values[name] = all[0]
  }
  const parsed = schema.safeParse(values)
  if (!parsed.success)
    for (const { path, message } of parsed.error.issues) errors.push({ pointer: `?${String(path[0])}`, message })
  if (errors.length > 0 || !parsed.success) throw new Problem('invalid', 'a query parameter is unknown or malformed', { errors })
  return parsed.data
}

const unknownParameter = (schema: z.ZodObject): string => {
  const names = Object.keys(schema.shape)
  return names.length === 0 ? 'unknown; this route takes none' : `unknown; this route takes ${names.join(', ')}`
}

/** True for parameters made by `anyOf`. */
export const isRepeatable = (schema: unknown): boolean => {
  const meta = (schema as z.ZodType).meta()
  return isObject(meta) && meta.repeatable === true
}

/** An opaque cursor from the values that the next page goes on from; of a past list it names the moment too. */
export const encodeCursor = (values: readonly (string | number | null)[], { asOf }: Pick<Known, 'asOf'>): string =>
  Buffer.from(JSON.stringify(asOf === null ? values : { asOf, values })).toString('base64url')

const cursorOf = (text: string): { readonly asOf?: unknown; readonly values: unknown } | undefined => {
  try {
    const given: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
    return isObject(given) ? { asOf: given.asOf, values: given.values } : { values: given }
  } catch {
    return undefined
  }
}

/** The moment of the past list that a cursor goes on in; undefined for one of the present. */
export const cursorMoment = (text: string | undefined): string | undefined => {
  const moment = text === undefined ? undefined : cursorOf(text)?.asOf
  return typeof moment === 'string' ? moment : undefined
}

/** The values of a cursor that this server gave; a problem `invalid` for every other text. */
export const decodeCursor = (
  text: string | undefined,
  shape: readonly ('string' | 'number')[],
): readonly (string | number)[] | undefined => {
  if (text === undefined) return undefined
  const values = cursorOf(text)?.values
  if (Array.isArray(values) && values.length === shape.length && values.every((value, index) => typeof value === shape[index]))
    return values
  throw new Problem('invalid', 'the cursor is not one of this server', { errors: [{ pointer: '?cursor', message: 'malformed' }] })
}

/** For routes that take no parameters. */
export const noQuery = z.object({})

/** One page of a list that is short and always whole in memory, ordered by `keyOf`. */
export const pageOf = <Item>(
  all: readonly Item[],
  keyOf: (item: Item) => string,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  known: Pick<Known, 'asOf'>,
): { readonly items: readonly Item[]; readonly next: string | null } => {
  const after = decodeCursor(cursor, ['string'])?.[0]
  const rest = all
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
    .filter((item) => after === undefined || keyOf(item) > String(after))
  const items = rest.slice(0, limit)
  const last = items.at(-1)
  return { items, next: rest.length > limit && last !== undefined ? encodeCursor([keyOf(last)], known) : null }
}
