import type { HttpBindings } from '@hono/node-server'
import type { Context, Hono } from 'hono'
import type { RequestState } from './context.ts'
import type { DocumentedRoute, NativeRoute } from './route.ts'

/** Environment of every route of this server. `incoming` and `outgoing` are absent where no socket is (`app.request`). */
export interface HttpEnv {
  Bindings: Partial<HttpBindings> & { readonly state: RequestState }
}
export type HttpContext = Context<HttpEnv>

/** What a route demands: the scope `<face>:read` or `<face>:write`, or nothing (`open`: the face looks at credentials itself). */
export type Access = 'read' | 'write' | 'open'

/**
 * One published API: its paths, its routes and its own words for everything that goes wrong.
 *
 * Request order: `owns` → body-less checks (`access`, `Idempotency-Key`) → a route of `app` → else `methodNotAllowed` where
 * the path has other methods, else `notFound`. `app` holds full literal paths (no `basePath`), one handler each and no middleware,
 * and needs neither `notFound` nor `onError` of its own: the server sets both from the members below.
 */
export interface Face {
  /** Also the beginning of its scopes and `actor.face` in events. */
  readonly name: string
  /** Whether a path (percent-encoded as sent, without the query) belongs to this face. */
  owns(path: string): boolean
  /** True for the one face that also answers for paths that belong to nobody. */
  readonly fallback?: boolean
  readonly app: Hono<HttpEnv>
  access(method: string, path: string): Access
  /** Routes that answer while the server starts or goes down, in words of their own (an index that shows its health). */
  alwaysAnswers?(method: string, path: string): boolean
  /** Largest body in bytes for a path; default `HttpSettings.maxBodyBytes`. */
  maxBodyBytes?(method: string, path: string): number
  notFound(c: HttpContext): Response | Promise<Response>
  /** `allow` lists the methods that the path has. A face without 405 answers as `notFound` here. */
  methodNotAllowed(c: HttpContext, allow: readonly string[]): Response | Promise<Response>
  /** No or wrong credentials, or (`forbidden`) a missing scope. */
  unauthorised(c: HttpContext, reason: 'unauthenticated' | 'forbidden', scope: string): Response | Promise<Response>
  /**
   * Something was thrown: a `Problem` (see problem.ts: by routes, by `readBody`, by the server for a reused key, a draining
   * server or a position that was not reached), `Unavailable` of a store, or a fault; all but problems are already logged. Never show a fault's message.
   */
  failed(c: HttpContext, error: unknown): Response | Promise<Response>
  /** The server goes down: whatever waits is answered with what there is. */
  close?(): void
  /** Routes that this face adds to the native API under `/v1`. */
  readonly native?: readonly NativeRoute[]
  /** Its own routes in the words of the OpenAPI document, from the schemas that validate. */
  readonly documents?: readonly DocumentedRoute[]
}
