import { z } from 'zod'
import type { Kind } from '../../commands/kind.ts'
import type { JsonObject } from '../../lib/json.ts'
import { nativeRoute } from '../faces/native-route.ts'
import { cursor, limit, pageOf } from '../reading/query.ts'
import { json } from '../replies/json.ts'
import { listOf } from '../replies/lists.ts'
import { KindDocument, problems } from './schemas.ts'

const schemas = new WeakMap<Kind, JsonObject>()

/** JSON Schema 2020-12 of what a kind takes, from the schema that validates. */
const inputSchemaOf = (kind: Kind): JsonObject => {
  const known = schemas.get(kind)
  if (known !== undefined) return known
  const schema = z.toJSONSchema(kind.input, { io: 'input', unrepresentable: 'any' }) as JsonObject
  schemas.set(kind, schema)
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
