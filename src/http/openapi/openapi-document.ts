import { OpenAPIHono, type RouteConfig } from '@hono/zod-openapi'
import type { z } from 'zod'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { DocumentedReply, DocumentedRoute } from '../faces/native-route.ts'
import { isRepeatable } from '../reading/query.ts'
import { createSchemas, type Schemas } from './openapi-schemas.ts'

/** The OpenAPI 3.1 document, made from the very schemas that validate. */
export const openApiDocument = ({
  routes,
  version,
}: {
  readonly routes: readonly DocumentedRoute[]
  readonly version: string
}): JsonObject => {
  const document = new OpenAPIHono()
  const registry = document.openAPIRegistry
  const schemas = createSchemas()
  for (const route of routes) {
    const { method, path } = route
    registry.registerPath({ method, path, ...operationOf(route, schemas) } as unknown as RouteConfig)
  }
  for (const [name, schema] of schemas.named()) registry.registerComponent('schemas', name, schema as object)
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  registry.registerComponent('securitySchemes', 'basic', { type: 'http', scheme: 'basic' })
  return document.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Intendant', version, description },
    tags: [...new Set(routes.map(({ tag }) => tag))].map(tagOf),
    security: [{}, { bearer: [] }, { basic: [] }],
  }) as unknown as JsonObject
}

const description =
  'Long-running work is an **operation**: `POST /v1/operations` requests one, workers attempt it, `GET /v1/operations/{id}` shows it, and every step is an event ' +
  'under `/v1/events`. `GET /v1/kinds` lists the kinds of work. Paths outside `/v1` speak the APIs of other programs.\n\n' +
  'Where credentials are configured, every request needs `Authorization: Bearer <token>` (or Basic).'

/** Groups of routes, by the name that routes give them. */
const tags: Readonly<Record<string, readonly [title: string, description: string]>> = {
  operations: ['Operations', 'Long-running work: submit, follow, cancel and retry it.'],
  events: ['Events', 'The event log, in order, as JSON, NDJSON or a live stream.'],
  views: ['Views', 'Views are computed from the log. Lists them with their lag, and rebuilds them.'],
  secrets: ['Secrets', 'Whose secrets are sealed in the log. Lists them without their values, and forgets them.'],
  blobs: ['Blobs', 'Files of any size and type: upload, list, download and delete them.'],
  webhooks: ['Webhooks', 'Where events are sent to: set up, follow and mend deliveries.'],
  health: ['Health', 'Liveness, readiness and metrics.'],
  documents: ['Documents', 'This description of the API.'],
  Crawls: ['Crawls', 'Crawls in detail: pages, items, queues, throttles.'],
  'Crawling (Scrapy Cluster)': ['Crawling (Scrapy Cluster)', 'The REST service of Scrapy Cluster, for clients of that program.'],
}

const titleOf = (tag: string): string => tags[tag]?.[0] ?? tag

const tagOf = (tag: string): { name: string; description?: string } => {
  const text = tags[tag]?.[1]
  return { name: titleOf(tag), ...(text === undefined ? {} : { description: text }) }
}

const operationOf = (route: DocumentedRoute, schemas: Schemas): JsonObject => {
  const { summary, description, tag } = route
  return {
    operationId: operationId(route),
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [titleOf(tag)],
    parameters: [...pathParameters(route), ...queryParameters(route, schemas), ...headerParameters(route)],
    ...requestBody(route, schemas),
    responses: Object.fromEntries(Object.entries(route.answers).map(([status, answer]) => [status, responseOf(answer, schemas)])),
  }
}

const requestBody = (route: DocumentedRoute, schemas: Schemas): JsonObject => {
  const { body, bodyType = 'application/json', optionalBody = false, examples } = route
  if (body === undefined) return {}
  const content = { schema: schemas.of(body, 'input'), ...(examples === undefined ? {} : { examples: named(examples) }) }
  return { requestBody: { required: !optionalBody, content: { [bodyType]: content } } }
}

const named = (examples: NonNullable<DocumentedRoute['examples']>): JsonObject =>
  Object.fromEntries(Object.entries(examples).map(([summary, value]) => [nameOf(summary), { summary, value }]))

/** A summary in the form that names in a document have. */
const nameOf = (summary: string): string => summary.replace(/[^A-Za-z0-9]+/g, '-')

const responseOf = ({ description, schema, type, otherwise = {}, example }: DocumentedReply, schemas: Schemas): JsonObject => {
  if (schema === undefined && type === undefined) return { description }
  const content = {
    ...(schema === undefined ? {} : { schema: schemas.of(schema, 'output') }),
    ...(example === undefined ? {} : { example }),
  }
  const others = Object.entries(otherwise).map(([other, schema]) => [other, { schema: schemas.of(schema, 'output') }] as const)
  return { description, content: { [type ?? 'application/json']: content, ...Object.fromEntries(others) } }
}

const operationId = ({ method, path }: DocumentedRoute): string => {
  const words = path.split(/[^A-Za-z0-9]+/).filter((part) => part !== '')
  return [method, ...(words.length === 0 ? ['index'] : words)]
    .map((part, index) => (index === 0 ? part : part.slice(0, 1).toUpperCase() + part.slice(1)))
    .join('')
}

const pathParameters = ({ path, params = {} }: DocumentedRoute): JsonObject[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => {
    const example = params[name]
    return { name, in: 'path', required: true, schema: { type: 'string' }, ...(example === undefined ? {} : { example }) }
  })

const queryParameters = ({ query }: DocumentedRoute, schemas: Schemas): JsonObject[] =>
  Object.entries(query?.shape ?? {}).map(([name, member]) => {
    const { description, repeatable: _, ...schema } = schemas.of(member as z.ZodType, 'input') as Record<string, JsonValue>
    return {
      name,
      in: 'query',
      ...(typeof description === 'string' ? { description } : {}),
      ...(isRepeatable(member) ? { explode: true, style: 'form' } : {}),
      schema,
    }
  })

const headerParameters = ({ headers = {} }: DocumentedRoute): JsonObject[] =>
  Object.entries(headers).map(([name, description]) => ({ name, in: 'header', description, schema: { type: 'string' } }))
