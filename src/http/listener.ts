import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream as WebStream } from 'node:stream/web'
import type { Logger } from 'pino'
import type { Clock } from '../lib/clock.ts'
import { type Answer, alreadySent } from './answer.ts'
import { type Arrival, arrivalAt } from './arrival.ts'
import { Problem, problemAnswer } from './problem.ts'

/** What a client still sends after its answer is thrown away within these bounds, then it is cut off. */
const longestRestMs = 500
const largestRestBytes = 64 * 1024 * 1024

/**
 * Between node's HTTP and `dispatch`. An answer goes to the socket in one write, in the turn in which it is known: no `Request`, no
 * `Response` and no promise of the listener's own stand between.
 */
export const createListener = ({
  dispatch,
  logger,
  clock,
}: {
  readonly dispatch: (arrival: Arrival) => Answer | Promise<Answer>
  readonly logger: Logger
  readonly clock: Clock
}): RequestListener => {
  /** Nothing is left to say to whoever was half answered. */
  const fail = (outgoing: ServerResponse, error: unknown): void => {
    logger.error({ err: error }, 'a request failed outside its face')
    if (outgoing.headersSent) outgoing.destroy()
    else write(outgoing, broken)
  }
  const send = (incoming: IncomingMessage, outgoing: ServerResponse, answer: Answer): void => {
    if (answer === alreadySent) return
    const mayHaveMore = !incoming.readableEnded && incoming.method !== 'GET' && incoming.method !== 'HEAD'
    if (mayHaveMore) outgoing.once('finish', () => discardRest(incoming, clock))
    try {
      write(outgoing, answer)
    } catch (error) {
      fail(outgoing, error)
    }
  }
  return (incoming, outgoing) => {
    const sent = (answer: Answer): void => send(incoming, outgoing, answer)
    const failed = (error: unknown): void => fail(outgoing, error)
    try {
      const arrival = arrivalAt(incoming, outgoing)
      const answer = arrival === undefined ? malformed : dispatch(arrival)
      if (answer instanceof Promise) answer.then(sent, failed)
      else sent(answer)
    } catch (error) {
      failed(error)
    }
  }
}

const malformed = problemAnswer(new Problem('invalid', 'the request line or Host is malformed'), '')
const broken = problemAnswer(new Problem('internal', 'the server failed; its log says more'), '')

const write = (outgoing: ServerResponse, { status, headers, body }: Answer): void => {
  if (body === null) {
    outgoing.writeHead(status, headers)
    outgoing.end()
  } else if (body instanceof ReadableStream) {
    outgoing.writeHead(status, headers)
    outgoing.flushHeaders()
    pipeline(Readable.fromWeb(body as WebStream), outgoing).catch(() => outgoing.destroy())
  } else {
    outgoing.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
    outgoing.end(body)
  }
}

const discardRest = (incoming: IncomingMessage, clock: Clock): void => {
  if (incoming.readableEnded || incoming.destroyed) return
  let bytes = 0
  const cut = (): void => incoming.socket.destroySoon()
  const cancel = clock.after(longestRestMs, cut)
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > largestRestBytes) cut()
  })
  incoming.once('close', cancel)
  incoming.on('error', () => undefined)
}
