import { OpenAPIHono, type RouteConfig } from '@hono/zod-openapi'
import { z } from 'zod'
import { sha256 } from '../lib/ids.ts'
import { isObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { isRepeatable } from './query.ts'
import type { DocumentedRoute } from './route.ts'

/**
 * The OpenAPI 3.1 document, made from the very schemas that validate. They are converted by Zod itself, because JSON Schema 2020-12 is what
 * OpenAPI 3.1 speaks and the registry's own conversion does not end on recursive schemas (any JSON value is one).
 */
export const openApiDocument = ({
  routes,
  version,
}: {
  readonly routes: readonly DocumentedRoute[]
  readonly version: string
}): JsonObject => {
  const document = new OpenAPIHono()
  const registry = document.openAPIRegistry
  const schemas: Schemas = {}
  for (const route of routes) {
    const { method, path } = route
    registry.registerPath({ method, path, ...operationOf(route, schemas) } as unknown as RouteConfig)
  }
  for (const [name, schema] of Object.entries(schemas)) registry.registerComponent('schemas', name, schema as object)
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  registry.registerComponent('securitySchemes', 'basic', { type: 'http', scheme: 'basic' })
  return document.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Intendant',
      version,
      description: 'Operations, events, streams and views of the control plane, and the published APIs that it speaks.',
    },
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    security: [{}, { bearer: [] }, { basic: [] }],
  }) as unknown as JsonObject
}

type Schemas = Record<string, JsonValue>

const operationOf = (route: DocumentedRoute, schemas: Schemas): JsonObject => {
  const { summary, description, tag, body, bodyType = 'application/json' } = route
  return {
    operationId: operationId(route),
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    parameters: [...pathParameters(route), ...queryParameters(route, schemas), ...headerParameters(route)],
    ...(body === undefined ? {} : { requestBody: { content: { [bodyType]: { schema: schemaOf(body, 'input', schemas) } } } }),
    responses: Object.fromEntries(
      Object.entries(route.answers).map(([status, answer]) => {
        const { description, schema, type = schema === undefined ? undefined : 'application/json' } = answer
        if (type === undefined) return [status, { description }]
        return [
          status,
          { description, content: { [type]: schema === undefined ? {} : { schema: schemaOf(schema, 'output', schemas) } } },
        ]
      }),
    ),
  }
}

const operationId = ({ method, path }: DocumentedRoute): string =>
  [method, ...path.split(/[^A-Za-z0-9]+/).filter((part) => part !== '')]
    .map((part, index) => (index === 0 ? part : part.slice(0, 1).toUpperCase() + part.slice(1)))
    .join('')

const pathParameters = ({ path }: DocumentedRoute): JsonObject[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }))

const queryParameters = ({ query }: DocumentedRoute, schemas: Schemas): JsonObject[] =>
  Object.entries(query?.shape ?? {}).map(([name, member]) => {
    const { description, repeatable: _, ...schema } = schemaOf(member as z.ZodType, 'input', schemas) as Record<string, JsonValue>
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

const schemaOf = (schema: z.ZodType, io: 'input' | 'output', schemas: Schemas): JsonValue => {
  const { $schema: _, $defs = {}, ...own } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<string, JsonValue>
  const names = new Map(Object.keys($defs as JsonObject).map((name) => [name, nameOf(name, $defs as JsonObject)]))
  for (const [name, definition] of Object.entries($defs as JsonObject))
    schemas[names.get(name) ?? name] = hoisted(definition ?? true, names)
  const { id } = own
  if (typeof id !== 'string') return hoisted(own, names)
  schemas[id] = hoisted(own, names)
  return { $ref: `#/components/schemas/${id}` }
}

/** Zod numbers nameless recursive schemas per conversion; in one document they need names that differ. */
const nameOf = (name: string, definitions: JsonObject): string =>
  name.startsWith('__schema') ? `Schema${sha256(JSON.stringify(definitions) + name).slice(0, 8)}` : name

/** Definitions move to `components`, and what refers to them follows; `id` there is a name, not a base URI. */
const hoisted = (value: JsonValue, names: ReadonlyMap<string, string>): JsonValue => {
  if (Array.isArray(value)) return value.map((item) => hoisted(item as JsonValue, names))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value as JsonObject).flatMap(([name, member]): [string, JsonValue][] => {
      if (member === undefined || (name === 'id' && typeof member === 'string')) return []
      const target = name === '$ref' && typeof member === 'string' ? /^#\/\$defs\/(.*)$/.exec(member)?.[1] : undefined
      return [[name, target === undefined ? hoisted(member, names) : `#/components/schemas/${names.get(target) ?? target}`]]
    }),
  )
}
