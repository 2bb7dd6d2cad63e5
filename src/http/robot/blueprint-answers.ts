import type { LateRefusal } from '../../commands/robot/blueprint.ts'
import type { BlueprintFault } from '../../commands/robot/blueprint-grammar.ts'
import type { BlueprintRefusal } from '../../commands/robot/plan-blueprint.ts'
import type { TemplateRefusal } from '../../commands/robot/plan-service.ts'
import { answerTo } from '../replies/answers.ts'
import type { Reply } from '../replies/reply.ts'
import { type RobotAnswers, robotError } from './error-body.ts'
import { messages } from './messages.ts'
import { planRefused } from './plan-refusal.ts'
import type { RobotMount } from './tools.ts'

type Refusal = BlueprintFault | BlueprintRefusal | LateRefusal
type Worded = Exclude<Refusal, TemplateRefusal>

/** Source: robot contract, sections 3.2 and 5. */
const answers: RobotAnswers<Worded> = {
  shape: ({ pointer, expected }) => [400, `content${pointer} has to be ${expected}`],
  'key-format': ({ key }) => [400, messages.malformedKey(key)],
  'service-name': ({ name }) => [400, messages.malformedName(name)],
  'key-template': [400, messages.malformedUidInKey],
  'action-template': ({ text }) => [400, messages.malformedUid(text)],
  'no-action': [400, messages.noAction],
  'invalid-data': ({ name, uid, fault: { pointer, reason } }) => [
    400,
    messages.notCreated(name, uid, messages.invalidData(pointer, reason)),
  ],
  'not-created': ({ name, uid, why }) => [400, messages.notCreated(name, uid, why)],
  'unknown-action': ({ message }) => [400, message],
  'bad-arguments': ({ action, message }) => [400, `bad action argument for action ${action}: ${message}`],
  'service-gone': ({ guid }) => [404, messages.serviceNotFound(guid)],
  'too-large': ({ most }) => [400, `a blueprint has at most ${most}`],
}

/** Why nothing of a blueprint is done. */
export const blueprintRefused = (refused: Refusal, { profile }: Pick<RobotMount, 'profile'>): Reply => {
  switch (refused.reason) {
    case 'malformed-template':
    case 'unknown-template':
    case 'ambiguous-template':
      return planRefused(refused, { profile, unknown: 404 })
  }
  const [status, message] = answerTo<Worded, readonly [status: number, message: string]>(answers, refused, undefined)
  return robotError(status, { message })
}
