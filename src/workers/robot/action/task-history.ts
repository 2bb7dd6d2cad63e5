import { operationStream } from '../../../commands/operation.ts'
import type { OperationEvent, OperationRequest } from '../../../events/operation.ts'
import { parseInstant } from '../../../lib/clock.ts'
import { isObject, type JsonValue } from '../../../lib/json.ts'
import type { EventLog, Position, RecordedEvent } from '../../../stores/event-log.ts'

/** What an attempt of a task wants to know of the attempts before it. Times are milliseconds since the epoch. */
export interface TaskHistory {
  readonly requestedAt: number
  readonly priority: number
  readonly tries: number
  /** Attempts that have failed and said so; those that were lost or handed back are none. */
  readonly failures: number
  readonly firstFailureAt: number | undefined
  /** Where this attempt began: behind everything that happened in its lane before. */
  readonly startedAt: Position
  /** The recorded step of that name of an earlier attempt. */
  step(name: string): JsonValue | undefined
}

/** Reads the stream of an operation that runs. */
export const taskHistory = async (log: EventLog, operationId: string): Promise<TaskHistory> => {
  let request: { readonly data: OperationRequest; readonly at: number } | undefined
  let startedAt: Position = ''
  const failedAt: number[] = []
  const steps = new Map<string, JsonValue>()
  for await (const event of log.readStream(operationStream(operationId))) {
    const { type, data } = event as RecordedEvent & OperationEvent
    const at = parseInstant(event.recordedAt)
    if (type === 'OperationRequested') request = { data, at }
    if (type === 'OperationStarted') startedAt = event.position
    if (type === 'OperationAttemptFailed' && isObject(data.error.details) && isObject(data.error.details.eco)) failedAt.push(at)
    if (type === 'OperationProgressed' && data.step !== undefined) steps.set(data.step.name, data.step.result as JsonValue)
  }
  if (request === undefined) throw new Error(`the operation ${operationId} has no events`)
  return {
    requestedAt: request.at,
    priority: request.data.priority,
    tries: request.data.policy.attempts,
    failures: failedAt.length,
    firstFailureAt: failedAt[0],
    startedAt,
    step: (name) => steps.get(name),
  }
}
