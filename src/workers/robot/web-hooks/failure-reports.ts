import type { Logger } from 'pino'
import { ecoOfEvent } from '../../../commands/robot/eco.ts'
import { type ActionInput, actionKind } from '../../../commands/robot/task.ts'
import { type WebHookInput, webHookKind } from '../../../commands/robot/web-hook.ts'
import type { Submit } from '../../../commands/submit.ts'
import { type OperationRequest, operationEvents } from '../../../events/operation.ts'
import { masked } from '../../../events/sealed.ts'
import { type Clock, parseInstant } from '../../../lib/clock.ts'
import { Unavailable } from '../../../lib/errors.ts'
import { derivedIdAt } from '../../../lib/ids.ts'
import { isObject, type JsonObject, type JsonValue } from '../../../lib/json.ts'
import type { Projections } from '../../../projections/projection.ts'
import { firstWebHookAt, webHooksSince } from '../../../projections/robot/web-hooks.ts'
import type { EventLog, RecordedEvent } from '../../../stores/event-log.ts'
import type { Leadership } from '../../../stores/leadership.ts'
import { createOutbox, type Outbox } from '../../../stores/outbox.ts'

const view = 'robot-web-hooks'
const caughtUpWithinMs = 10_000
/** How a task fails for good; a cancelled one has not failed. */
const failures = ['OperationFailed', 'OperationTimedOut'] as const

/**
 * Follows the log, on one node at a time, and asks for one `robot.webhook` for each failed task and each address that is known then. The
 * ids of these derive from task and address, so that a failure that is met again asks for nothing new. Source: robot contract, section 7.
 */
export const createFailureReports = ({
  log,
  projections,
  submit,
  ...outbox
}: {
  readonly log: EventLog
  readonly projections: Pick<Projections, 'views' | 'reached' | 'onApplied'>
  readonly submit: Submit
  readonly leadership: Leadership
  readonly keepShort: (stream: string) => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}): Outbox => {
  const requestOf = async (stream: string): Promise<OperationRequest | undefined> => {
    for await (const { type, data } of log.readStream(stream, { limit: 1 }))
      if (type === 'OperationRequested') return operationEvents.schemas.OperationRequested.parse(data)
    return undefined
  }

  const report = async (event: RecordedEvent): Promise<void> => {
    if (!(await projections.reached(event.position, { timeoutMs: caughtUpWithinMs, names: [view] })))
      throw new Unavailable(`the view ${view} has not reached ${event.position}`)
    const hooks = webHooksSince(projections.views(view), event.position)
    if (hooks.length === 0) return
    const request = await requestOf(event.stream)
    if (request === undefined || request.kind !== actionKind || isExpected(event)) return
    const { service, action, args } = request.input as unknown as ActionInput
    const eco = ecoOfEvent(event, { action, attempts: Number(event.data.attempt) })
    for (const { id, url } of hooks) {
      const input: WebHookInput = {
        url,
        report: { service, action_name: action, args: masked(args) as JsonObject, eco: eco as unknown as JsonObject },
      }
      const submitted = await submit(
        { kind: webHookKind, input: input as unknown as JsonValue },
        {
          commandId: derivedIdAt(parseInstant(event.recordedAt), webHookKind, event.id, id),
          correlationId: event.metadata.correlationId,
          causationId: event.id,
          actor: { principal: 'robot', face: 'robot', address: null },
        },
        { internal: true },
      )
      if (submitted.refused !== undefined) throw new Error(`${webHookKind} was refused: ${submitted.refused.reason}`)
    }
  }

  let leave = (): void => {}
  let reports: Outbox | undefined
  /** Without an address nobody is told: the log is followed from the first one on. */
  const follow = async (): Promise<void> => {
    const after = firstWebHookAt(projections.views(view))
    if (after === undefined) return
    leave()
    reports = createOutbox({
      ...outbox,
      log,
      office: 'robot-web-hooks',
      filter: { typePrefixes: failures },
      beginning: { after },
      deliver: async (events) => {
        for (const event of events) await report(event)
      },
    })
    return reports.start()
  }

  return {
    start: async () => {
      leave = projections.onApplied((events) => {
        // It rejects when it is stopped.
        if (events.some(({ type }) => type === 'WebHookAdded')) follow().catch(() => undefined)
      })
      await follow()
    },
    stop: async () => {
      leave()
      await reports?.stop()
    },
  }
}

/** The program itself has said that nobody is to be told. */
const isExpected = ({ data: { error } }: RecordedEvent): boolean =>
  isObject(error) && isObject(error.details) && error.details.expected === true
