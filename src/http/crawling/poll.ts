import { answer } from '../../commands/crawling/answer.ts'
import { dayMs, instant } from '../../lib/clock.ts'
import { messageOf, Unavailable } from '../../lib/errors.ts'
import { derivedId } from '../../lib/ids.ts'
import type { JsonValue } from '../../lib/json.ts'
import { answerQueries, isResult, type StoredAnswer } from '../../projections/crawling/answers.ts'
import type { Known } from '../../projections/known.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import type { Reply } from '../replies/reply.ts'
import { failure, success } from './envelope.ts'
import { messages } from './messages.ts'
import { readPayload } from './payload.ts'
import { pollId } from './poll-schema.ts'

/** How long a poll waits for the view of answers to hold what the log holds. */
const caughtUpWithinMs = 2_000

/**
 * `POST /poll`: hands out the stored answer of a uuid once. Of two polls at the same time one gets it and one gets 404.
 * `isAwaited` tells which operations a `/feed` of this process still waits for: their answers are not for polls.
 */
export const createPoll = ({
  ports,
  retentionDays,
  isAwaited,
}: {
  readonly ports: HttpPorts
  readonly retentionDays: number
  readonly isAwaited: (operationId: string) => boolean
}): ((c: HttpContext) => Promise<Reply>) => {
  const { executor, projections, log, clock } = ports

  const storedAnswers = (known: Known, uuid: string): readonly StoredAnswer[] => {
    try {
      const since = instant(clock.now() - retentionDays * dayMs)
      return answerQueries(known.views('crawling-answers')).stored(uuid, { since })
    } catch (error) {
      throw new Unavailable(`the view of answers cannot be read: ${messageOf(error)}`)
    }
  }
  const noMatch = (): Reply => failure(404, { message: messages.noPollId })

  const take = async (c: HttpContext, uuid: string): Promise<Reply> => {
    if (!(await projections.reached(await log.head(), { timeoutMs: caughtUpWithinMs, names: ['crawling-answers'] })))
      throw new Unavailable('the view of answers is behind the log')
    const context = requestContext(c)
    for (const row of storedAnswers(c.known, uuid)) {
      if (isAwaited(row.id)) continue
      const command = { type: 'PollAnswer', operation: row.id, uuid, isResult: isResult(row) } as const
      const commandId = derivedId(context.commandId, row.id)
      const outcome = await executor.execute(answer, command, { ...context, commandId, causationId: row.id })
      if (outcome.refused === undefined) {
        if (outcome.position !== null) caused(c, { position: outcome.position })
        return handOut(row.answer)
      }
      // Another poll was first; what it was given stands for the earlier answers too. A `/feed` takes its own answer only.
      if (outcome.state === 'polled') return noMatch()
    }
    return noMatch()
  }

  return async (c) => {
    const payload = await readPayload(c)
    if (payload === undefined) return failure(400, { message: messages.notJson })
    const asked = pollId(payload)
    if ('cause' in asked) return failure(400, { message: messages.notInSchema, cause: asked.cause })
    return take(c, asked.pollId)
  }
}

const handOut = (text: string | null): Reply => {
  try {
    return success(JSON.parse(text ?? '') as JsonValue)
  } catch {
    return failure(500, { message: messages.unparseable })
  }
}
