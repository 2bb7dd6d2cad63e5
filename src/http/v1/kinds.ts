import { z } from 'zod'
import { type FaultyKind, type Kind, ownPolicy } from '../../commands/kind.ts'
import { jsonSchemaOf } from '../../commands/schemas/json-schema-input.ts'
import { isObject, type JsonObject } from '../../lib/json.ts'
import { nativeRoute } from '../faces/native-route.ts'
import { cursor, limit, pageOf } from '../reading/query.ts'
import { json } from '../replies/json.ts'
import { listOf } from '../replies/lists.ts'
import { KindDocument, problems } from './schemas.ts'

const schemas = new WeakMap<Kind, JsonObject>()

/** JSON Schema 2020-12 of what a kind takes: the schema that validates, or made from it. */
const inputSchemaOf = (kind: Kind): JsonObject => {
  const known = schemas.get(kind)
  if (known !== undefined) return known
  const written = jsonSchemaOf(kind.input) ?? (z.toJSONSchema(kind.input, { io: 'input', unrepresentable: 'any' }) as JsonObject)
  const schema = isObject(written) ? (written as JsonObject) : {}
  schemas.set(kind, schema)
  return schema
}

type Shown = z.infer<typeof KindDocument>

export const listKinds = nativeRoute({
  method: 'get',
  path: '/v1/kinds',
  reads: [],
  summary: 'List kinds of operations',
  description: 'Kinds of your own stand in the folder KINDS_DIR; `fault` says why one of them cannot be used.',
  tag: 'operations',
  scope: 'v1:read',
  query: z.object({ limit: limit(), cursor }),
  answers: {
    200: { description: 'Every kind, by name', schema: listOf(KindDocument) },
    ...problems({ 400: 'A parameter is wrong' }),
  },
  handle: ({ ports: { kinds, leases, clock }, known, query }) => {
    const live = leases.live(clock.monotonic())
    // Who lived then is not in the log.
    const workersOf = (kind: string): number | null =>
      known.asOf === null ? live.filter((lease) => lease.kinds.includes(kind)).length : null
    const sound = (work: Kind): Shown => {
      const { kind, face, description, submittable, policy } = work
      return {
        kind,
        face,
        description,
        submittable,
        policy,
        inputSchema: inputSchemaOf(work),
        workers: workersOf(kind),
        fault: null,
      }
    }
    const faulty = ({ kind, description, fault }: FaultyKind): Shown => ({
      kind,
      face: null,
      description,
      submittable: false,
      policy: ownPolicy,
      inputSchema: {},
      workers: workersOf(kind),
      fault,
    })
    const all = [...kinds.all.map(sound), ...kinds.faulty.map(faulty)]
    // Two files may claim one name.
    const { items, next } = pageOf(all, ({ kind, fault }) => `${kind}\u0000${fault?.file ?? ''}`, query, known)
    return json({ items, next })
  },
})
