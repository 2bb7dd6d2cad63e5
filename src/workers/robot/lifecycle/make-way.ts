import type { Logger } from 'pino'
import type { Executor } from '../../../commands/execute.ts'
import { operation } from '../../../commands/operation.ts'
import { deleteKind, upgradeKind, validateKind } from '../../../commands/robot/lifecycle.ts'
import { actionKind } from '../../../commands/robot/task.ts'
import type { Actor } from '../../../events/define.ts'
import type { Clock } from '../../../lib/clock.ts'
import { newId } from '../../../lib/ids.ts'
import type { Projections } from '../../../projections/projection.ts'
import { type ServiceOperation, serviceQueries } from '../../../projections/robot/services.ts'
import { templateQueries } from '../../../projections/robot/templates.ts'
import type { RecordedEvent } from '../../../stores/event-log.ts'
import { createDueTimer, type DueTimer } from '../../engine/due-timer.ts'

/** A running task may keep an upgrade waiting for so long. Source: robot contract, section 7, row 8. */
const patienceMs = 300_000

const actor: Actor = { principal: 'robot-lifecycle', face: 'robot', address: null }

/**
 * Cancels what is in the way of upgrades and deletions that wait for the lane of their service. It follows from the view alone, so that a restart
 * goes on with it. Runs on one node at a time.
 */
export const createMakeWay = ({
  executor,
  projections,
  clock,
  logger,
}: {
  readonly executor: Executor
  readonly projections: Projections
  readonly clock: Clock
  readonly logger: Logger
}): { start(): Promise<void>; stop(): Promise<void> } => {
  let timer: DueTimer | undefined
  let endFeed = (): void => {}
  const services = () => serviceQueries(projections.views('robot-services'))

  const hasDeleteActions = (guid: string): boolean => {
    const found = services().byGuid(guid)
    const template = found && templateQueries(projections.views('robot-templates')).bound(found.templateUid, found.commit)
    return (template?.manifest.hooks.delete ?? []).length > 0
  }

  const cancelFor = async (step: ServiceOperation): Promise<void> => {
    const all = services().unfinished(step.service)
    const reason = step.kind === deleteKind ? 'the service is deleted' : 'the service is upgraded'
    for (const { operation: id } of inTheWay(step, all, { now: clock.now(), runsOut: hasDeleteActions }))
      await executor.execute(
        operation,
        { type: 'CancelOperation', id, reason },
        { commandId: newId(), actor, correlationId: step.operation },
      )
  }

  const isStep = ({ type, data }: RecordedEvent): boolean =>
    type === 'OperationRequested' && (data.kind === deleteKind || data.kind === upgradeKind)

  return {
    start: async () => {
      const running = createDueTimer({
        clock,
        work: async () => {
          for (const step of services().waitingSteps()) await cancelFor(step)
          return true
        },
        nextDueAt: () => {
          const due = services()
            .waitingSteps()
            .filter(({ kind }) => kind === upgradeKind)
            .map(dueAt)
          // What was cancelled when it was due takes its time to end.
          return due.length === 0 ? undefined : Math.max(Math.min(...due), clock.now() + againMs)
        },
        failed: (error) => logger.warn({ err: error }, 'what is in the way of an upgrade or a deletion was not cancelled'),
      })
      timer = running
      endFeed = projections.onApplied((events) => {
        if (events.some(isStep)) running.look()
      })
      running.look()
    },
    stop: async () => {
      endFeed()
      await timer?.stop()
    },
  }
}

const againMs = 1_000

const dueAt = ({ created }: ServiceOperation): number => (created + 1) * 1000 + patienceMs

/** What of a service's unfinished operations is to be cancelled for an upgrade or a deletion that waits. */
export const inTheWay = (
  step: ServiceOperation,
  unfinished: readonly ServiceOperation[],
  { now, runsOut }: { readonly now: number; readonly runsOut: (guid: string) => boolean },
): readonly ServiceOperation[] =>
  unfinished.filter(({ kind, phase, seq }) => {
    if (step.kind === upgradeKind)
      return kind === validateKind ? seq < step.seq : kind === actionKind && phase === 'active' && now >= dueAt(step)
    switch (kind) {
      case actionKind:
        return phase === 'waiting' || !runsOut(step.service)
      case upgradeKind:
        return phase === 'waiting'
      default:
        return kind === validateKind
    }
  })
