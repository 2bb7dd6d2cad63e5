import { z } from 'zod'
import type { JsonObject } from '../../lib/json.ts'
import type { Work } from '../../workers/work.ts'
import { json } from '../json.ts'
import { cursor, limit, pageOf } from '../query.ts'
import { nativeRoute } from '../route.ts'
import { KindDocument, listOf, problems } from './schemas.ts'

const schemas = new WeakMap<Work, JsonObject>()

/** JSON Schema 2020-12 of what a kind takes, from the schema that validates. */
const inputSchemaOf = (work: Work): JsonObject => {
  const known = schemas.get(work)
  if (known !== undefined) return known
  const schema = z.toJSONSchema(work.input, { io: 'input', unrepresentable: 'any' }) as JsonObject
  schemas.set(work, schema)
  return schema
}

export const listKinds = nativeRoute({
  method: 'get',
  path: '/v1/kinds',
  reads: [],
  summary: 'List kinds of operations',
  tag: 'operations',
  scope: 'v1:read',
  query: z.object({ limit: limit(), cursor }),
  answers: {
    200: { description: 'Every kind, by name', schema: listOf(KindDocument) },
    ...problems({ 400: 'A parameter is wrong' }),
  },
  handle: ({ ports: { kinds, leases, clock }, known, query }) => {
    const live = leases.live(clock.monotonic())
    const { items, next } = pageOf(kinds.all, ({ kind }) => kind, query, known)
    const shown = items.map((work) => {
      const { kind, face, description, submittable, policy } = work
      // Who lived then is not in the log.
      const workers = known.asOf === null ? live.filter((lease) => lease.kinds.includes(kind)).length : null
      return { kind, face, description, submittable, policy, inputSchema: inputSchemaOf(work), workers }
    })
    return json({ items: shown, next })
  },
})
