import type { HttpContext } from './face.ts'
import type { HttpPorts } from './ports.ts'
import type { z } from 'zod'

/** What a native route's handler is given: everything already validated. */
export interface RouteRequest<Query, Body> {
  readonly c: HttpContext
  readonly ports: HttpPorts
  /** Percent-decoded path parameters. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly body: Body
}

/** One route of the native API; its schemas both validate and document. */
export interface NativeRoute<Query extends z.ZodObject = z.ZodObject, Body extends z.ZodType = z.ZodType> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** With parameters in braces: `/v1/operations/{id}`. */
  readonly path: string
  readonly summary: string
  readonly description?: string
  readonly tag: string
  /** `v1:read`, `v1:write`, or null for an open route. */
  readonly scope: string | null
  /** Unknown parameters are refused; see query.ts for the usual members. */
  readonly query?: Query
  /** Absent: the route takes no body and ignores one. `optionalBody`: none stands for `{}`. */
  readonly body?: Body
  readonly optionalBody?: boolean
  /** Schema of the JSON answer for each status, or null where it has no JSON body. */
  readonly answers: Readonly<Record<number, { readonly description: string; readonly schema?: z.ZodType; readonly type?: string }>>
  handle(request: RouteRequest<z.infer<Query>, z.infer<Body>>): Response | Promise<Response>
}

/** Infers a route's types from its schemas. */
export const nativeRoute = <Query extends z.ZodObject = z.ZodObject<Record<never, never>>, Body extends z.ZodType = z.ZodUndefined>(
  route: NativeRoute<Query, Body>,
): NativeRoute => route as unknown as NativeRoute
