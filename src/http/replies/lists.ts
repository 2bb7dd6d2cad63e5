import { z } from 'zod'
import type { ListOf } from '../../projections/keyset-list.ts'
import type { Known } from '../../projections/known.ts'
import type { DocumentedReply } from '../faces/native-route.ts'
import { decodeCursor, encodeCursor } from '../reading/query.ts'
import { json } from './json.ts'
import { ProblemDocument } from './problem.ts'
import type { Reply } from './reply.ts'

type Query = { readonly cursor?: string | undefined; readonly limit: number }

/** The query of a list without its paging, and the place where the list goes on. `keys` are the types of the keyset. */
export const paged = <Filters extends Query>(
  { cursor, ...filters }: Filters,
  keys: readonly ('string' | 'number')[],
): Omit<Filters, 'cursor'> & { readonly after: readonly (string | number)[] | undefined } => ({
  ...filters,
  after: decodeCursor(cursor, keys),
})

/** A list as the native API answers it. Source: native contract, section 1. */
export const listResponse = <Row, Shown = Row>(
  { items, next }: ListOf<Row>,
  known: Known,
  show: (row: Row) => Shown | Row = (row) => row,
): Reply => json({ items: items.map(show), next: next === null ? null : encodeCursor(next, known) })

const problem = { schema: ProblemDocument, type: 'application/problem+json' } as const

/** What the routes of lists answer, for the OpenAPI document. */
export const listReplies = (item: z.ZodType): Readonly<Record<number, DocumentedReply>> => ({
  200: { description: 'A page of the list', schema: listOf(item) },
  400: { description: 'A parameter is unknown or malformed', ...problem },
})

export const resourceReplies = (schema: z.ZodType): Readonly<Record<number, DocumentedReply>> => ({
  200: { description: 'The resource', schema },
  404: { description: 'There is no resource of this name', ...problem },
})

/** A page of a list, named after its items. */
export const listOf = (item: z.ZodType): z.ZodType => {
  const known = lists.get(item)
  if (known !== undefined) return known
  const list = z
    .object({ items: z.array(item), next: z.string().nullable().meta({ description: 'The `cursor` of the next page' }) })
    .meta({ id: `${item.meta()?.id}List` })
  lists.set(item, list)
  return list
}

const lists = new WeakMap<z.ZodType, z.ZodType>()
