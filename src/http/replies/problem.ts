import { z } from 'zod'
import type { Reply } from './reply.ts'

/** Slugs of the native API's problems with status and title. Source: native contract, section 1. */
export const problemKinds = {
  invalid: [400, 'The request is not valid'],
  'digest-mismatch': [400, 'The digest does not fit the body'],
  'moment-unknown': [400, 'This is not a past moment'],
  unauthenticated: [401, 'Credentials are missing or wrong'],
  forbidden: [403, 'The credentials do not allow this'],
  'kind-not-submittable': [403, 'This kind cannot be submitted here'],
  'foreign-origin': [403, 'Pages of other origins are not allowed to do this'],
  'not-found': [404, 'The resource does not exist'],
  'method-not-allowed': [405, 'The resource does not support this method'],
  'not-acceptable': [406, 'None of the accepted types is offered'],
  'request-timeout': [408, 'The request took too long to arrive'],
  'impossible-transition': [409, 'The state of the operation does not allow this'],
  exists: [409, 'The name is taken'],
  'count-differs': [409, 'The number of operations is another one by now'],
  'secret-forgotten': [409, 'A secret that this needs was forgotten'],
  'in-use': [409, 'The blob is in use'],
  'key-in-use': [409, 'A request with this Idempotency-Key is being processed'],
  'version-mismatch': [412, 'The resource is at a different revision'],
  'too-large': [413, 'The body is too large'],
  'unsupported-media-type': [415, 'The body must be application/json'],
  'range-not-satisfiable': [416, 'The blob has no such bytes'],
  'expectation-failed': [417, 'The expectation cannot be met'],
  misdirected: [421, 'The request is meant for another server'],
  'key-reused': [422, 'The Idempotency-Key was used for a different request'],
  'header-too-large': [431, 'The request headers are too large'],
  damaged: [500, 'The log is damaged'],
  internal: [500, 'The server failed'],
  overloaded: [503, 'The server is overloaded'],
  'not-caught-up': [503, 'The views have not reached the position'],
  draining: [503, 'The server is shutting down'],
} as const
export type ProblemSlug = keyof typeof problemKinds

export interface ProblemDetails {
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[]
  readonly operationId?: string
  readonly expected?: string | number
  readonly actual?: string | number
  /** Headers of the answer: `Allow`, `Retry-After`, `WWW-Authenticate`. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A body of 1 MiB can have 60,000 unknown members: as many errors would be 3 MB. */
const mostErrors = 20

/** Thrown by routes and by the server to answer with an RFC 9457 problem; faces word it their own way. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly slug: ProblemSlug
  readonly status: number
  readonly details: ProblemDetails
  constructor(slug: ProblemSlug, detail: string, details: ProblemDetails = {}) {
    const { errors = [] } = details
    const more = errors.length - mostErrors
    super(more > 0 ? `${detail}; ${more} more errors are not listed` : detail)
    this.slug = slug
    this.status = problemKinds[slug][0]
    this.details = more > 0 ? { ...details, errors: errors.slice(0, mostErrors) } : details
  }
}

export const forbidden = (scope: string): Problem => new Problem('forbidden', `the credentials do not have the scope ${scope}`)

export const unauthenticated = (): Problem =>
  new Problem('unauthenticated', 'credentials are missing or wrong', {
    headers: { 'WWW-Authenticate': 'Bearer realm="intendant", Basic realm="intendant", charset="UTF-8"' },
  })

/** The problem document in the OpenAPI description. */
export const ProblemDocument = z
  .object({
    type: z.string().meta({ example: 'urn:intendant:problem:invalid' }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    instance: z.string(),
    errors: z.array(z.object({ pointer: z.string(), message: z.string() })).optional(),
    operationId: z.string().optional(),
    expected: z.union([z.string(), z.number()]).optional(),
    actual: z.union([z.string(), z.number()]).optional(),
  })
  .meta({ id: 'Problem' })

export type ProblemMembers = ReturnType<typeof problemMembers>

/** The members of the document, but for `instance`. */
export const problemMembers = ({ slug, message, details: { headers: _, ...members } }: Problem) => {
  const [status, title] = problemKinds[slug]
  return { type: `urn:intendant:problem:${slug}`, title, status, detail: message, ...members }
}

/** `application/problem+json` for `instance`, the request's path as sent. */
export const problemAnswer = (problem: Problem, instance: string): Reply => {
  const { headers = {} } = problem.details
  const { type, title, status, detail, ...members } = problemMembers(problem)
  const retry: Record<string, string> = status === 503 ? { 'Retry-After': '1' } : {}
  const body = JSON.stringify({ type, title, status, detail, instance, ...members })
  return { status, headers: { 'Content-Type': 'application/problem+json', ...retry, ...headers }, body }
}
