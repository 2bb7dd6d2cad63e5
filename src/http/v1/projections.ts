import { z } from 'zod'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import { cursor, limit, pageOf } from '../reading/query.ts'
import { json } from '../replies/json.ts'
import { listOf } from '../replies/lists.ts'
import { Problem } from '../replies/problem.ts'
import { ProjectionDocument, problems } from './schemas.ts'

const listProjections = nativeRoute({
  method: 'get',
  path: '/v1/projections',
  reads: [],
  summary: 'List views and their lag',
  tag: 'views',
  scope: 'v1:read',
  query: z.object({ limit: limit(), cursor }),
  answers: {
    200: { description: 'Every view, by name', schema: listOf(ProjectionDocument) },
    ...problems({ 400: 'A parameter is wrong' }),
  },
  handle: async ({ ports, known, query }) => {
    const { items, next } = pageOf(await ports.projections.status(), ({ name }) => name, query, known)
    const { asOf } = known
    // How far a view was then is not in the log; what it says of that moment is.
    return json({ items: asOf === null ? items : items.map((view) => ({ ...view, ...unknown, position: asOf })), next })
  },
})

const unknown = { lag: null, state: null, fault: null }

const rebuildProjection = nativeRoute({
  method: 'post',
  path: '/v1/projections/{name}/rebuild',
  summary: 'Rebuild a view from the log',
  description: 'Reads use the old rows until the new ones are complete. A running rebuild is not started again.',
  tag: 'views',
  scope: 'v1:write',
  params: { name: 'operations' },
  answers: {
    202: { description: 'The rebuild has begun', schema: ProjectionDocument },
    ...problems({ 404: 'There is no such view' }),
  },
  handle: async ({ ports: { projections, logger }, params }) => {
    const find = async () => (await projections.status()).find(({ name }) => name === params.name)
    const before = await find()
    if (before === undefined) throw new Problem('not-found', `there is no view ${params.name}`)
    if (before.state !== 'rebuilding')
      projections.rebuild(before.name).catch((error) => logger.error({ err: error, projection: before.name }, 'a rebuild failed'))
    return json((await find()) ?? before, 202)
  },
})

export const projectionRoutes: readonly NativeRoute[] = [listProjections, rebuildProjection]
