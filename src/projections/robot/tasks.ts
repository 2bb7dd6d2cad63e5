import { isInterruption } from '../../commands/operation.ts'
import { type Eco, ecoOfEvent } from '../../commands/robot/eco.ts'
import { type ActionInput, actionKind } from '../../commands/robot/task.ts'
import { serviceLane } from '../../commands/robot/template.ts'
import { parseTemplateReference } from '../../commands/robot/template-uid.ts'
import type { OperationEvent, OperationState } from '../../events/operation.ts'
import { instant, parseInstant } from '../../lib/clock.ts'
import { isObject, type JsonObject, type JsonValue } from '../../lib/json.ts'
import { type OperationResource, operationResource } from '../operations/operation-resource.ts'
import type { OperationQueries } from '../operations/operations.ts'
import type { RobotService, ServiceQueries } from './services.ts'

/** A task as answers show it. Source: robot contract, section 6.4. */
export interface TaskDocument {
  readonly action_name: string
  readonly template_name: string
  readonly service_name: string
  readonly service_guid: string
  readonly guid: string
  readonly state: 'new' | 'running' | 'ok' | 'error'
  /** Seconds since the epoch. */
  readonly created: number
  readonly args?: JsonObject
  /** Seconds. */
  readonly duration?: number
  readonly eco?: Eco
  /** JSON. */
  readonly result?: string
}

/** In whose words: `0.9` calls a task running that waits for its next try. */
export type TaskProfile = 'seed' | '0.9'

/** What tasks are read from. */
export interface TaskViews {
  readonly services: ServiceQueries
  readonly operations: Pick<OperationQueries, 'row' | 'laneHolder'>
}

interface FoundTask {
  readonly task: OperationResource
  /** When its state began, in milliseconds since the epoch. */
  readonly since: number
}

export type TasksOfService = ReturnType<typeof tasksOf>

/** The tasks of a service: operations in its words. */
export const tasksOf = ({ services, operations }: TaskViews, service: RobotService, profile: TaskProfile = 'seed') => {
  const find = (id: string): FoundTask | undefined => {
    const row = operations.row(id)
    if (row?.kind !== actionKind) return undefined
    // What it waits for is not shown.
    const task = operationResource(row, null)
    return (task.input as unknown as ActionInput).service === service.guid ? { task, since: row.since } : undefined
  }

  /** What its last attempt has reported; else what the event of its failure says. */
  const ecoOf = ({ task, since }: FoundTask): { readonly eco?: Eco } => {
    const { id, state, attempt } = task
    // What an attempt before reported is not why it was cancelled.
    const error = state === 'cancelled' ? null : task.error
    if (stateOf(task, 'seed') !== 'error') return {}
    const { action } = task.input as unknown as ActionInput
    // The view knows the event where the work has reported nothing of the failure.
    const eventId = services.unreportedFailure(id) ?? id
    const data = { error: error as unknown as JsonValue }
    const event = { id: eventId, type: typeOf(state), data, recordedAt: instant(since) }
    return { eco: ecoOfEvent(event, { action, attempts: attempt }) }
  }

  return {
    document: (id: string): TaskDocument | undefined => {
      const found = find(id)
      if (found === undefined) return undefined
      const { task } = found
      return {
        ...beginning(task, service),
        state: stateOf(task, profile),
        ...durationOf(task),
        ...ecoOf(found),
        ...resultOf(task),
      }
    },
    /** As it was when it was accepted, however far it is by now. */
    accepted: (id: string): TaskDocument | undefined => {
      const found = find(id)
      return found && acceptedTask(found.task, service)
    },
    /** Ids: the task that holds the lane, then those that wait, in the order in which they will run. */
    queue: (): readonly string[] => {
      const holder = operations.laneHolder(serviceLane(service.guid))
      const ids = services.queue(service.guid)
      return holder === undefined || !ids.includes(holder) ? ids : [holder, ...ids.filter((id) => id !== holder)]
    },
    /** Ids of those that have ended, by the second of their request, then as they were accepted; read in pages. */
    *ended(): Generator<string> {
      for (
        let page = services.ended(service.guid, pageSize);
        page.length > 0;
        page = services.ended(service.guid, pageSize, page.at(-1))
      )
        for (const { operation } of page) yield operation
    },
  }
}

const pageSize = 1_000

/** A task that nothing has happened to yet. */
export const acceptedTask = (operation: Begun, service: RobotService): TaskDocument => ({
  ...beginning(operation, service),
  state: 'new',
})

/** What is known of a task from its request; secrets in the input are masked. */
type Begun = Pick<OperationResource, 'id' | 'input' | 'requestedAt'>

const beginning = ({ id, input, requestedAt }: Begun, { guid, name, templateUid }: RobotService) => {
  const { action, args } = input as unknown as ActionInput
  return {
    action_name: action,
    template_name: parseTemplateReference(templateUid)?.name ?? '',
    service_name: name,
    service_guid: guid,
    guid: id,
    created: Math.floor(parseInstant(requestedAt) / 1000),
    ...(Object.keys(args).length === 0 ? {} : { args: args as JsonObject }),
  }
}

const stateOf = ({ state, error }: OperationResource, profile: TaskProfile): TaskDocument['state'] => {
  switch (state) {
    case 'pending':
      return 'new'
    case 'running':
    case 'cancelling':
      return 'running'
    case 'retrying':
      if (error !== null && isInterruption(error.type)) return 'new'
      return profile === 'seed' ? 'error' : 'running'
    case 'succeeded':
      return 'ok'
    case 'failed':
    case 'cancelled':
    case 'timed-out':
      return 'error'
  }
}

const typeOf = (state: OperationState): OperationEvent['type'] => {
  switch (state) {
    case 'cancelled':
      return 'OperationCancelled'
    case 'timed-out':
      return 'OperationTimedOut'
    default:
      return 'OperationFailed'
  }
}

const durationOf = ({ startedAt, finishedAt }: OperationResource): { readonly duration?: number } => {
  if (finishedAt === null) return {}
  const beganAt = startedAt ?? finishedAt
  // The clock may have been set back meanwhile.
  return { duration: Math.max(0, parseInstant(finishedAt) - parseInstant(beganAt)) / 1000 }
}

const resultOf = ({ state, result }: OperationResource): { readonly result?: string } => {
  const value = state === 'succeeded' && isObject(result) ? result.result : undefined
  return value === undefined || value === null ? {} : { result: JSON.stringify(value) }
}
