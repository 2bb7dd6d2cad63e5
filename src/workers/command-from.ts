import type { CommandContext } from '../commands/execute.ts'
import { newId } from '../lib/ids.ts'
import type { WorkContext } from './work.ts'

/** Where a command of an attempt comes from; `commandId` where a repetition has to be the same command. */
export const commandFrom = (
  { operationId, actor, correlationId }: Pick<WorkContext, 'operationId' | 'actor' | 'correlationId'>,
  commandId = newId(),
): CommandContext => ({ commandId, actor, correlationId, causationId: operationId })
