import { answer } from '../../commands/crawling/answer.ts'
import { type Classified, createClassifier, feed, type Unrecognised } from '../../commands/crawling/feed.ts'
import type { CrawlingSettings } from '../../commands/crawling/settings.ts'
import { submissionOf } from '../../commands/crawling/submission.ts'
import { Unavailable } from '../../lib/errors.ts'
import { exactly } from '../../lib/exact-json.ts'
import { derivedId } from '../../lib/ids.ts'
import { isObject, type JsonValue } from '../../lib/json.ts'
import { answerQueries } from '../../projections/crawling/answers.ts'
import type { Known } from '../../projections/known.ts'
import { caused, goneSignal, type HttpContext, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import type { Changes } from '../reading/view-changes.ts'
import type { Reply } from '../replies/reply.ts'
import { failure, success } from './envelope.ts'
import { messages } from './messages.ts'
import { type Payload, readPayload } from './payload.ts'

/** A feed that the log has not taken by then is given up. Source: crawling contract, section 13. */
const acknowledgedWithinMs = 10_000

type Request = Exclude<Classified, Unrecognised>

/**
 * `POST /feed`: records a request in one append and, where an answer can come, waits for it. Whatever is no request is recorded too, as
 * a rejection, and answered as the original answers it. `awaited` holds the operations whose answers are waited for.
 * Source: crawling contract, section 4.
 */
export const createFeed = ({
  ports,
  settings,
  changes,
  awaited,
  closing,
}: {
  readonly ports: HttpPorts
  readonly settings: Pick<CrawlingSettings, 'responseWaitMs' | 'strict' | 'maxDepth'>
  readonly changes: Changes
  readonly awaited: Set<string>
  /** Aborts when the server shuts down: the waiting client polls another server, or this one after its restart. */
  readonly closing: AbortSignal
}): ((c: HttpContext) => Promise<Reply>) => {
  const { executor, submit, clock } = ports
  const classify = createClassifier(settings)

  const acknowledged = async <Result>(work: Promise<Result>): Promise<Result> => {
    let cancel = (): void => {}
    const late = new Promise<never>((_, reject) => {
      cancel = clock.after(acknowledgedWithinMs, () => reject(new Unavailable('the log did not take the feed in time')))
    })
    return Promise.race([work, late]).finally(cancel)
  }

  /** The answer, once the view holds it; null where none will come; undefined where time ran out or the client went away. */
  const answerOf = (known: Known, id: string, signal: AbortSignal): Promise<JsonValue | null | undefined> =>
    changes.until(
      `operation-${id}`,
      () => {
        const row = answerQueries(known.views('crawling-answers')).byId(id)
        if (row === undefined || row.state === 'waiting') return undefined
        return row.state === 'stored' && row.answer !== null ? (JSON.parse(row.answer) as JsonValue) : null
      },
      { timeoutMs: settings.responseWaitMs, signal },
    )

  /** Records that the answer is handed out here, so that no poll gets it; false where it is taken or cannot be recorded. */
  const deliver = async (c: HttpContext, operation: string, uuid: string): Promise<boolean> => {
    const context = { ...requestContext(c), commandId: derivedId('deliver', operation), causationId: operation }
    try {
      return (
        (await executor.execute(answer, { type: 'DeliverAnswer', operation, uuid, isResult: true }, context)).refused ===
        undefined
      )
    } catch {
      return false
    }
  }

  const accept = async (c: HttpContext, request: Request, headers: Record<string, string>): Promise<Reply> => {
    const { correlationId, ...submission } = submissionOf(request)
    const context = { ...requestContext(c), correlationId }
    const submitted = await acknowledged(submit(submission, context, { internal: true }))
    if (submitted.refused !== undefined) throw new Error(`a valid request was refused: ${JSON.stringify(submitted.refused)}`)
    const { operationId, position } = submitted
    caused(c, { operationId, ...(position === null ? {} : { position }) })
    if (request.class === 'crawl') return success(null, headers)
    const { uuid } = request.request
    const later = (): Reply => success({ poll_id: uuid }, headers)
    if (!request.answerable || settings.responseWaitMs === 0) return later()
    const signal = AbortSignal.any([goneSignal(c), closing])
    const found = await answerOf(c.known, operationId, signal)
    if (found === undefined || found === null || signal.aborted) return later()
    return (await deliver(c, operationId, uuid)) ? success(found, headers) : later()
  }

  const reject = async (c: HttpContext, payload: Payload, why: Unrecognised, headers: Record<string, string>): Promise<Reply> => {
    const context = requestContext(c)
    const { nearestClass, errors } = why
    const command = { type: 'RejectFeed', id: context.commandId, payload: payload.value, nearestClass, errors } as const
    const outcome = await acknowledged(executor.execute(feed, command, context))
    if (outcome.refused === undefined && outcome.position !== null) caused(c, { position: outcome.position })
    if (settings.strict) return failure(400, { message: messages.notInSchema, cause: errors[0].message }, headers)
    return answerRejected(payload, headers)
  }

  return async (c) => {
    const payload = await readPayload(c)
    if (payload === undefined) return failure(400, { message: messages.notJson })
    const classified = classify(payload.value)
    const headers = ports.settings.extraHeaders ? feedHeaders(classified) : {}
    if (classified.class === 'unrecognised') return reject(c, payload, classified, headers)
    const { commandId } = requestContext(c)
    awaited.add(commandId)
    try {
      return await accept(c, classified, headers)
    } finally {
      awaited.delete(commandId)
    }
  }
}

/**
 * What the original answers to what it cannot use: it looks for `uuid` in whatever was parsed, waits for an answer that never
 * comes, and fails where the value cannot be searched or the uuid cannot be a key.
 */
export const answerRejected = ({ value, text }: Payload, headers: Record<string, string>): Reply => {
  const unknown = (): Reply => failure(500, { message: messages.unknown }, headers)
  if (Array.isArray(value) || typeof value === 'string') return value.includes('uuid') ? unknown() : success(null, headers)
  if (!isObject(value)) return unknown()
  if (!Object.hasOwn(value, 'uuid')) return success(null, headers)
  if (typeof value.uuid === 'object' && value.uuid !== null) return unknown()
  return success({ poll_id: (exactly(text) as { readonly uuid: JsonValue }).uuid }, headers)
}

const longestHeader = 300

/** Additional headers that tell a client what became of its request. The reasons are ASCII already but for the mark of a cut. */
export const feedHeaders = (classified: Classified): Record<string, string> => {
  if (classified.class !== 'unrecognised') return { 'Feed-Class': classified.class }
  const { nearestClass, errors } = classified
  const { pointer, message } = errors[0]
  const reason = `${pointer === '' ? '' : `${pointer}: `}${message}`.replaceAll('…', '...').replaceAll(/[^\x20-\x7e]/g, '?')
  return {
    'Feed-Class': 'unrecognised',
    ...(nearestClass === null ? {} : { 'Feed-Nearest-Class': nearestClass }),
    'Feed-Error': reason.slice(0, longestHeader).trim(),
  }
}
