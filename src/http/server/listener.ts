import type { RequestListener } from 'node:http'
import { getRequestListener, type HttpBindings, RequestError } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { type Arrival, arrivalOf } from '../faces/arrival.ts'
import { Problem, problemAnswer } from '../replies/problem.ts'
import { alreadySent, type Reply } from '../replies/reply.ts'
import { normaliseTarget } from './host-header.ts'

/** Without `incoming` and `outgoing` where no socket is. */
export type HttpApp = Hono<{ Bindings: Partial<HttpBindings> }>

/**
 * The app that stands before `dispatch`: it makes plain data of a request and a `Response` of the answer. Which face a path belongs to, and which
 * route, is known to `dispatch` alone, so there is nothing to match here.
 */
export const createHttpApp = (dispatch: (arrival: Arrival) => Reply | Promise<Reply>, clock: Clock): HttpApp => {
  const app: HttpApp = new Hono({ getPath: () => '/' })
  app.all('/', ({ req, env }) => {
    const answer = dispatch(arrivalOf(req.raw, env ?? {}, clock.now))
    return answer instanceof Promise ? answer.then<Response>(responseOf) : responseOf(answer)
  })
  return app
}

/** Between node's HTTP and the app. An answer that is known in the turn of its request goes to the socket in that turn, head and body at once. */
export const createListener = (app: HttpApp, logger: Logger): RequestListener => {
  const failed = (error: unknown): Response => {
    if (error instanceof RequestError) return responseOf(malformed)
    logger.error({ err: error }, 'a request failed outside its face')
    return responseOf(broken)
  }
  app.onError(failed)
  const listener = getRequestListener((request, env) => app.fetch(request, env), { hostname: 'localhost', errorHandler: failed })
  return (incoming, outgoing) => {
    normaliseTarget(incoming)
    void listener(incoming, outgoing)
  }
}

const malformed = problemAnswer(new Problem('invalid', 'the request line or Host is malformed'), '')
const broken = problemAnswer(new Problem('internal', 'the server failed; its log says more'), '')

const responseOf = (answer: Reply): Response => {
  if (answer === alreadySent) return RESPONSE_ALREADY_SENT
  const { status, headers, body } = answer
  return new Response(body as string | null, { status, headers })
}
