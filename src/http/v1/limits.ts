import { z } from 'zod'
import { type LimitTerms, limit as limitDecider, limitStream } from '../../commands/limit.ts'
import { PlainName } from '../../commands/submit.ts'
import { mostRateCount } from '../../events/limit.ts'
import type { Known } from '../../projections/known.ts'
import { type LimitResource, limitQueries } from '../../projections/operations/limits.ts'
import { headerOf } from '../faces/arrival.ts'
import { caused, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { settle } from '../reading/event-position.ts'
import { cursor, limit } from '../reading/query.ts'
import { etag, isKnown, pinnedRevision, versionMismatch } from '../replies/entity-tags.ts'
import { json } from '../replies/json.ts'
import { listReplies, listResponse, paged } from '../replies/lists.ts'
import { Problem } from '../replies/problem.ts'
import { problems } from './schemas.ts'

const mostConcurrency = 100_000
const longestPerMs = 366 * 24 * 3_600_000

const concurrency = z.number().int().min(0).max(mostConcurrency)
const rate = z.strictObject({
  count: z.number().int().min(1).max(mostRateCount),
  perMs: z.number().int().min(1).max(longestPerMs),
})

const LimitBody = z
  .strictObject({
    concurrency: concurrency.nullish().meta({ description: 'Number of operations that run at a time; 0 holds all of them' }),
    rate: rate.nullish().meta({ description: 'At most `count` attempts start within any `perMs` milliseconds' }),
  })
  .refine((given) => given.concurrency != null || given.rate != null, 'concurrency, rate or both')
  .meta({ id: 'LimitRequest' })

const LimitDocument = z
  .object({
    key: z.string(),
    concurrency: concurrency.nullable(),
    rate: rate.nullable(),
    running: z.number().int().meta({ description: 'Operations that run and name the key' }),
    waiting: z.number().int().meta({ description: 'Operations that name the key, are due and have not started' }),
    windowUsed: z
      .number()
      .int()
      .nullable()
      .meta({ description: 'Attempts that started within the last `perMs` milliseconds; null without a rate' }),
    revision: z.number().int(),
  })
  .meta({ id: 'Limit' })

const example = {
  key: 'site:example.com',
  concurrency: 2,
  rate: { count: 10, perMs: 60_000 },
  running: 2,
  waiting: 5,
  windowUsed: 7,
  revision: 0,
}

const reads = ['operations']
/** How long the answer to a change waits for what was let in before and has not started yet. */
const settlesWithinMs = 2_000

const queries = (known: Known) => limitQueries(known.views('operations'))

const shown = ({ key, concurrency, rate, running, waiting, windowUsed, revision }: Omit<LimitResource, 'position'>) => ({
  key,
  concurrency,
  rate,
  running,
  waiting,
  windowUsed,
  revision,
})

const unknownLimit = (key: string): Problem => new Problem('not-found', `there is no limit ${key}`)

const found = (known: Known, key: string): LimitResource => {
  const limit = queries(known).byKey(key, known.now())
  if (limit === undefined) throw unknownLimit(key)
  return limit
}

const listLimits = nativeRoute({
  method: 'get',
  path: '/v1/limits',
  reads,
  summary: 'List limits',
  description: 'In the order of their keys, with what runs and what waits.',
  tag: 'limits',
  scope: 'v1:read',
  query: z.object({ limit: limit(), cursor }),
  answers: listReplies(LimitDocument),
  handle: ({ known, query }) => {
    const { after, limit } = paged(query, ['string'])
    const rows = queries(known).list(String(after?.[0] ?? ''), limit + 1, known.now())
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    return listResponse({ items: items.map(shown), next: rows.length > limit && last !== undefined ? [last.key] : null }, known)
  },
})

const getLimit = nativeRoute({
  method: 'get',
  path: '/v1/limits/{key}',
  reads,
  summary: 'Get a limit',
  description: 'The ETag is the revision of the limit: what runs and waits is no part of it.',
  tag: 'limits',
  scope: 'v1:read',
  params: { key: example.key },
  headers: { 'If-None-Match': 'ETag that the client has' },
  answers: {
    200: { description: 'The limit', schema: LimitDocument, example },
    304: { description: 'The limit still has the revision of `If-None-Match`' },
    ...problems({ 404: 'There is no such limit' }),
  },
  handle: ({ c, known, params: { key = '' } }) => {
    const limit = found(known, key)
    const headers = { ETag: etag(limit.revision) }
    if (isKnown(headerOf(c, 'if-none-match'), limit.revision)) return { status: 304, headers, body: null }
    return json(shown(limit), 200, headers)
  },
})

/** Whether nothing that was let in before the change, and has not started, is too many now. */
const isSettled = (known: Known, key: string): true | undefined => {
  const limits = queries(known)
  return limits.admitted(key) === 0 || limits.room(key, known.now()).left >= 0 || undefined
}

/** The revision that `If-Match` pins, and whether there is a limit now. */
const current = async ({ executor }: HttpPorts, key: string, ifMatch: string | undefined) => {
  const { state, revision } = await executor.load(limitDecider, limitStream(key))
  const pinned = pinnedRevision(ifMatch, state === null ? undefined : revision)
  return { isThere: state !== null, revision, pin: pinned === undefined ? {} : { pinnedRevision: pinned } }
}

const putLimit = ({ changes, closing }: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'put',
    path: '/v1/limits/{key}',
    reads,
    summary: 'Set a limit',
    description:
      'Makes the limit, or replaces it. It holds at once for all operations that name the key and have not started; what runs goes on.',
    tag: 'limits',
    scope: 'v1:write',
    params: { key: example.key },
    headers: {
      'If-Match': 'ETag of the revision that the client read; 412 if the limit has changed',
      'If-None-Match': '`*`: 412 if there is a limit already',
    },
    body: LimitBody,
    examples: {
      'Two at a time, and ten starts a minute': { concurrency: 2, rate: { count: 10, perMs: 60_000 } },
      'Nobody for now': { concurrency: 0 },
    },
    answers: {
      200: { description: 'It was there before', schema: LimitDocument },
      201: { description: 'It is new', schema: LimitDocument },
      ...problems({ 412: 'It is at a different revision' }),
    },
    handle: async ({ c, ports, known, params: { key = '' }, body }) => {
      const name = PlainName.safeParse(key)
      if (!name.success) throw new Problem('invalid', `the key is not valid: ${name.error.issues[0]?.message}`)
      const ifMatch = headerOf(c, 'if-match')
      const { isThere, revision: before, pin } = await current(ports, key, ifMatch)
      if (ifMatch !== undefined && !isThere) throw versionMismatch(ifMatch, before)
      const onlyNew = headerOf(c, 'if-none-match')?.trim() === '*'
      if (onlyNew && isThere) throw new Problem('version-mismatch', `there is a limit ${key}`, { actual: etag(before) })
      const terms: LimitTerms = { concurrency: body.concurrency ?? null, rate: body.rate ?? null }
      const outcome = await ports.executor.execute(limitDecider, { type: 'SetLimit', key, ...terms }, requestContext(c), {
        ...pin,
        ...(onlyNew ? { pinnedRevision: before } : {}),
      })
      if (outcome.refused !== undefined) {
        if (outcome.refused.reason === 'version-mismatch') throw versionMismatch(ifMatch ?? '', outcome.refused.actual)
        throw unknownLimit(key)
      }
      const { position, revision } = outcome
      await settle(ports, position)
      await changes.until([], () => isSettled(known, key), {
        timeoutMs: settlesWithinMs,
        signal: closing,
        also: async (ring) => ports.projections.onApplied(() => ring()),
      })
      caused(c, { position, revision })
      const figures = queries(known).byKey(key, known.now()) ?? { running: 0, waiting: 0, windowUsed: terms.rate && 0 }
      return json(shown({ ...figures, key, ...terms, revision }), isThere ? 200 : 201)
    },
  })

const deleteLimit: NativeRoute = nativeRoute({
  method: 'delete',
  path: '/v1/limits/{key}',
  reads,
  summary: 'Remove a limit',
  description: 'Operations that name the key are no longer held by it.',
  tag: 'limits',
  scope: 'v1:write',
  params: { key: example.key },
  headers: { 'If-Match': 'ETag of the revision that the client read; 412 if the limit has changed' },
  answers: {
    204: { description: 'It is removed' },
    ...problems({ 404: 'There is no such limit', 412: 'It is at a different revision' }),
  },
  handle: async ({ c, ports, params: { key = '' } }) => {
    const ifMatch = headerOf(c, 'if-match')
    const { pin } = await current(ports, key, ifMatch)
    const outcome = await ports.executor.execute(limitDecider, { type: 'RemoveLimit', key }, requestContext(c), pin)
    if (outcome.refused !== undefined) {
      if (outcome.refused.reason === 'version-mismatch') throw versionMismatch(ifMatch ?? '', outcome.refused.actual)
      throw unknownLimit(key)
    }
    await settle(ports, outcome.position)
    caused(c, { position: outcome.position })
    return { status: 204, headers: {}, body: null }
  },
})

/** Source: native contract, section 13. */
export const limitRoutes = (tools: RouteTools): readonly NativeRoute[] => [listLimits, getLimit, putLimit(tools), deleteLimit]
