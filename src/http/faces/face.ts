import type { Registry } from 'prom-client'
import type { Principal } from '../../stores/credentials/credentials.ts'
import type { Summaries } from '../replies/event-summary.ts'
import type { Reply } from '../replies/reply.ts'
import type { HttpContext } from './http-context.ts'
import type { DocumentedRoute, NativeRoute } from './native-route.ts'
import type { ReceivedBody } from './received-body.ts'

/** What a route demands: the scope `<face>:read` or `<face>:write`, or nothing (`open`: the face looks at credentials itself). */
export type Access = 'read' | 'write' | 'open'

/** One method of one path. */
export interface FaceRoute {
  readonly method: string
  /** The views that it reads; undefined: it reads no state, and has no past. */
  readonly reads?: readonly string[] | undefined
  /** A `POST` that reads, which the contract of the face says: it has a past too. */
  readonly isRead?: boolean
  /** The whole path: literal segments, and `:name` for a parameter. */
  readonly path: string
  /**
   * Takes the body as a stream before `handle` is called, which finds it as `c.received`; then nothing else reads the body. Where
   * `handle` does not keep it, it is discarded.
   */
  readonly receive?: ((c: HttpContext) => Promise<ReceivedBody>) | undefined
  /** `params` are percent-decoded. */
  handle(c: HttpContext, params: Readonly<Record<string, string>>): Reply | Promise<Reply>
}

/**
 * One published API: its paths, its routes and its own words for everything that goes wrong.
 *
 * Request order: `owns` → `pathOf` → body-less checks (`access`, `authenticate`, `Idempotency-Key`) → one of `routes` → else
 * `methodNotAllowed` where the path has other methods, else `notFound` → `answered`.
 */
export interface Face {
  /** Also the beginning of its scopes and `actor.face` in events. */
  readonly name: string
  /** Whether a path (percent-encoded as sent, without the query) belongs to this face. */
  owns(path: string): boolean
  /** True for the one face that also answers for paths of no face. */
  readonly fallback?: boolean
  /** The path as routes, `access` and the other members meet it: without a last slash, without `.py`. Default: as it came. */
  pathOf?(path: string): string
  readonly routes: readonly FaceRoute[]
  /** `get`, the default: `HEAD` meets the routes of `GET`. `none`: it meets those that name it alone. */
  readonly head?: 'get' | 'none'
  access(method: string, path: string): Access
  /**
   * Credentials of the face's own, asked before those of the server and only where `access` is not `open`; `c.principal` says nothing yet.
   * Answers who it is, under a name with a colon in it, which no credential of the server has; `refused` for the words of
   * `unauthorised`; or undefined: not mine, ask the server's own, which cost nothing until then.
   */
  authenticate?(c: HttpContext): Promise<Principal | 'refused' | undefined>
  /** Routes that answer while the server starts or goes down, in words of their own (an index that shows its health). */
  alwaysAnswers?(method: string, path: string): boolean
  /** Largest body in bytes for a path; default `HttpSettings.maxBodyBytes`. */
  maxBodyBytes?(method: string, path: string): number
  notFound(c: HttpContext): Reply | Promise<Reply>
  /** `allow` lists the methods that the path has. A face without 405 answers as `notFound` here. */
  methodNotAllowed(c: HttpContext, allow: readonly string[]): Reply | Promise<Reply>
  /** No or wrong credentials, or (`forbidden`) a missing scope. */
  unauthorised(c: HttpContext, reason: 'unauthenticated' | 'forbidden', scope: string): Reply | Promise<Reply>
  /**
   * Something was thrown: a `Problem` (see problem.ts: by routes, by `readBody`, by the server for a reused key, a draining
   * server or a position that was not reached), `Unavailable` of a store, or a fault; all but problems are already logged. Never show a fault's message.
   */
  failed(c: HttpContext, error: unknown): Reply | Promise<Reply>
  /**
   * Sees every answer of the face, errors and refusals too, and may add headers. `durationMs` is the time since the request came. A
   * change of what a route has sent by itself (`alreadySent`) has no effect. What it throws is logged, and the answer goes out as it was.
   */
  answered?(c: HttpContext, answer: Reply, durationMs: number): Reply
  /** The server goes down: whatever waits is answered with what there is. */
  close?(): void
  /** Routes that this face adds to the native API under `/v1`. */
  readonly native?: readonly NativeRoute[]
  /** What its events say, in one sentence for each type. */
  readonly summaries?: Summaries
  /** Adds its own series to those of `/metrics`. */
  metrics?(registry: Registry): void
  /** Its own routes in the words of the OpenAPI document, from the schemas that validate. */
  readonly documents?: readonly DocumentedRoute[]
}
