import type { DataRefusal, TemplateRefusal } from '../../commands/robot/plan-service.ts'
import { answerTo } from '../replies/answers.ts'
import type { Reply } from '../replies/reply.ts'
import { type RobotAnswers, robotError } from './error-body.ts'
import { messages } from './messages.ts'
import type { RobotMount } from './tools.ts'

type PlanRefusal = TemplateRefusal | DataRefusal

/** Status of an unknown template in a route and profile. */
interface Asked {
  readonly profile: RobotMount['profile']
  readonly unknown: 400 | 404
}

const answers: RobotAnswers<PlanRefusal, Asked> = {
  'malformed-template': ({ text }) => [400, messages.malformedUid(text)],
  'unknown-template': ({ text }, { unknown }) => [unknown, messages.templateNotFound(text)],
  'ambiguous-template': ({ name }, { profile }) => [profile === '0.9' ? 409 : 400, messages.ambiguous(name)],
  'invalid-data': ({ fault: { pointer, reason } }) => [400, messages.invalidData(pointer, reason)],
}

/** Clients of the 0.9 profile know an ambiguous name by this code. Source: robot contract, section 8. */
const ambiguousCode = 4090

/** Why a service cannot be planned. Source: robot contract, sections 3.2 and 8. */
export const planRefused = (refused: PlanRefusal, asked: Asked): Reply => {
  const [status, message] = answerTo<PlanRefusal, readonly [number, string], Asked>(answers, refused, asked)
  return robotError(status, { message, ...(status === 409 ? { code: ambiguousCode } : {}) })
}
