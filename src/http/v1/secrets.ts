import { z } from 'zod'
import { Remains } from '../../events/secret.ts'
import type { Known } from '../../projections/known.ts'
import { secretQueries } from '../../projections/secrets.ts'
import { caused, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { catchUp } from '../reading/event-position.ts'
import { cursor, decodeCursor, encodeCursor, limit } from '../reading/query.ts'
import { json } from '../replies/json.ts'
import { listOf } from '../replies/lists.ts'
import { Problem } from '../replies/problem.ts'
import { problems } from './schemas.ts'

const instant = z.string().meta({ format: 'date-time', example: '2026-11-21T05:27:00.123Z' })

const SubjectDocument = z
  .object({
    subject: z.string(),
    sealedAt: instant.nullable(),
    usedBy: z
      .array(z.string())
      .meta({ description: 'Ids of the operations and names of the other streams that hold values sealed for it' }),
    forgottenAt: instant.nullable(),
  })
  .meta({ id: 'SecretSubject' })

const ReceiptDocument = z
  .object({
    subject: z.string(),
    forgottenAt: instant,
    events: z.number().int().meta({ description: 'Number of events whose sealed values are unreadable now' }),
    position: z.string(),
    remains: z.array(Remains).meta({ description: 'Places that still hold the wrapped key or the secret, and until when' }),
  })
  .meta({ id: 'ForgettingReceipt' })

/** Faults of other views do not keep secrets from being forgotten. */
const caughtUp = (ports: HttpPorts): Promise<void> => catchUp(ports, ['operations', 'secrets'])

const reads = ['secrets']
const queries = (known: Known) => secretQueries(known.views('secrets'))

const listSecrets = nativeRoute({
  method: 'get',
  path: '/v1/secrets',
  reads,
  summary: 'List subjects with sealed secrets, without values',
  tag: 'secrets',
  scope: 'v1:read',
  query: z.object({ limit: limit(), cursor }),
  answers: {
    200: { description: 'Every subject, forgotten ones too', schema: listOf(SubjectDocument) },
    ...problems({ 400: 'A parameter is wrong' }),
  },
  handle: ({ known, query }) => {
    const after = String(decodeCursor(query.cursor, ['string'])?.[0] ?? '')
    const found = queries(known).list(after, query.limit + 1)
    const items = found.slice(0, query.limit)
    const last = items.at(-1)
    return json({
      items: items.map(({ subject, sealedAt, usedBy, forgottenAt }) => ({ subject, sealedAt, usedBy, forgottenAt })),
      next: found.length > query.limit && last !== undefined ? encodeCursor([last.subject], known) : null,
    })
  },
})

const forgetSecrets = ({ operationReads }: RouteTools): NativeRoute =>
  nativeRoute({
    reads: [...reads, ...operationReads],
    method: 'delete',
    path: '/v1/secrets/{subject}',
    summary: 'Forget the secrets of a subject for ever',
    description:
      'Erases the key of the subject. Its sealed values stay in the log and are unreadable from now on. Repeating the request changes nothing.',
    tag: 'secrets',
    scope: 'v1:write',
    answers: {
      200: { description: 'The secrets are forgotten', schema: ReceiptDocument },
      ...problems({ 404: 'Nothing is sealed for this subject' }),
    },
    handle: async ({ c, ports, known, params: { subject = '' } }) => {
      // What this node does not know yet may be sealed all the same.
      await caughtUp(ports)
      const sealed = queries(known).bySubject(subject)
      const running = (sealed?.usedBy ?? []).filter((id) => {
        const state = ports.operations(known).byId(id)?.state
        return state === 'running' || state === 'cancelling'
      })
      const forgotten = await ports.forget(subject, sealed && { events: sealed.events, running }, requestContext(c))
      if (forgotten === undefined) throw new Problem('not-found', `nothing is sealed for ${subject}`)
      await caughtUp(ports)
      const { receipt, forgottenAt } = queries(known).bySubject(subject) ?? { receipt: null, forgottenAt: null }
      if (receipt === null) throw new Problem('not-caught-up', 'the secrets are forgotten, and the view does not show it yet')
      caused(c, { position: receipt.position })
      const { events, position, remains } = receipt
      return json({ subject, forgottenAt, events, position, remains })
    },
  })

export const secretRoutes = (tools: RouteTools): readonly NativeRoute[] => [listSecrets, forgetSecrets(tools)]
