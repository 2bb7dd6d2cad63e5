import type { z } from 'zod'
import type { JsonValue } from '../../lib/json.ts'
import type { Known } from '../../projections/known.ts'
import type { Reply } from '../replies/reply.ts'
import type { HttpContext } from './http-context.ts'
import type { HttpPorts } from './http-ports.ts'
import type { ReceivedBody } from './received-body.ts'

/** An answer of a route: its JSON schema, or another media type. */
export interface DocumentedReply {
  readonly description: string
  readonly schema?: z.ZodType
  /** Default `application/json` where there is a schema. */
  readonly type?: string
  /** Media types that `Accept` gets instead; of `application/x-ndjson` the schema is that of a line. */
  readonly otherwise?: Readonly<Record<string, z.ZodType>>
  /** Such an answer, for readers of the document. */
  readonly example?: JsonValue
}

/** What the OpenAPI document says of a route. */
export interface DocumentedRoute<Query extends z.ZodObject = z.ZodObject, Body extends z.ZodType = z.ZodType> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** With parameters in braces: `/v1/operations/{id}`. */
  readonly path: string
  readonly summary: string
  readonly description?: string
  readonly tag: string
  readonly query?: Query
  /** Request headers that mean something here, with what they mean. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Body
  /** No body at all stands for `{}`. */
  readonly optionalBody?: boolean
  /** Bodies by what they ask for; each works as it is, the first is the one that is tried first. */
  readonly examples?: Readonly<Record<string, JsonValue>>
  /** An example of each path parameter. */
  readonly params?: Readonly<Record<string, string>>
  /** Media type of the body; default `application/json`. */
  readonly bodyType?: string
  readonly answers: Readonly<Record<number, DocumentedReply>>
}

/** What a native route's handler is given: everything already validated. */
export interface RouteRequest<Query, Body> {
  readonly c: HttpContext
  readonly ports: HttpPorts
  /** The present, or the moment that `asOf` names: what the route may read. */
  readonly known: Known
  /** Percent-decoded path parameters. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly body: Body
}

/**
 * One route of the native API; its schemas both validate and document. Unknown query parameters and members are refused (use
 * `z.strictObject` for bodies; see query.ts for the usual parameters). Without `body` the route takes none, or an empty object.
 */
export interface NativeRoute<Query extends z.ZodObject = z.ZodObject, Body extends z.ZodType = z.ZodType>
  extends DocumentedRoute<Query, Body> {
  /** `v1:read`, `v1:write`, or null for an open route. */
  readonly scope: string | null
  /**
   * The views that it reads, which `known` gives it; an empty list where it reads the log alone. Undefined: it reads no state, and takes no `asOf`.
   */
  readonly reads?: readonly string[]
  /** Takes the body, whatever its type, as a stream (see `FaceRoute.receive`); `body` documents it, and the handler is given none. */
  receive?(c: HttpContext, ports: HttpPorts): Promise<ReceivedBody>
  handle(request: RouteRequest<z.output<Query>, z.output<Body>>): Reply | Promise<Reply>
}

/** Infers a route's types from its schemas. */
export const nativeRoute = <
  Query extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Body extends z.ZodType = z.ZodUndefined,
>(
  route: NativeRoute<Query, Body>,
): NativeRoute => route as unknown as NativeRoute
