import type { Logger } from 'pino'
import type { Job } from '../../bus/job-bus.ts'
import type { CommandContext, Executor } from '../../commands/execute.ts'
import { lane as laneDecider } from '../../commands/lane.ts'
import { type OperationDecisionState, operation, operationStream } from '../../commands/operation.ts'
import type { OperationRequest } from '../../events/operation.ts'
import type { Clock } from '../../lib/clock.ts'
import { RevisionConflict } from '../../lib/errors.ts'
import { eventId, newId } from '../../lib/ids.ts'
import { whileUnavailable } from '../../lib/while-unavailable.ts'
import type { Claim } from './attempt.ts'

export interface Claims {
  /**
   * Undefined where the operation is not to be started: it runs, has ended, is not due, or its lane or its limits hold it. `waitedAfter`
   * is the attempt after which whoever rang has waited for long enough, `admitted` the one that the limits let start.
   */
  claim(operationId: string, job?: Pick<Job, 'waitedAfter' | 'admitted'>): Promise<Claim | undefined>
  /** Lets the next operation of the lane through. The supervisor does it where this fails. */
  releaseLane(claim: Claim): Promise<void>
}

/** Claims operations in the log: first the lane, where there is one, then the start, each at the revision that was read. */
export const createClaims = ({
  executor,
  clock,
  logger,
  worker,
  takes,
  isLive,
}: {
  readonly executor: Executor
  readonly clock: Clock
  readonly logger: Logger
  /** The name to start attempts under. */
  readonly worker: () => string
  /** Whether this worker can run a kind: what it cannot run it must not claim. */
  readonly takes: (kind: string) => boolean
  readonly isLive: (worker: string) => boolean
}): Claims => {
  /** An unknown outcome is asked for again, under the same command, for as long as the lease lasts. */
  const persist = async <Result>(claimer: string, step: () => Promise<Result>): Promise<Result | undefined> => {
    try {
      return await whileUnavailable(step, {
        clock,
        goesOn: () => isLive(claimer),
        onFailure: (error) => logger.warn({ err: error }, 'the log did not answer a claim; trying again'),
      })
    } catch (error) {
      // Other workers won every retry: this job is theirs.
      if (error instanceof RevisionConflict) return undefined
      throw error
    }
  }

  /** The request of an operation. It never changes, so an old state is enough. Undefined also if the operation has ended. */
  const requestOf = async (operationId: string): Promise<{ request: OperationRequest; context: CommandContext } | undefined> => {
    const { state, first } = await executor.recall(operation, operationStream(operationId))
    if (first === undefined || !('request' in state)) return undefined
    const { actor, correlationId, traceparent } = first.metadata
    const context = {
      commandId: newId(),
      actor,
      correlationId,
      causationId: first.id,
      ...(traceparent === undefined ? {} : { traceparent }),
    }
    return { request: state.request, context }
  }

  const release = async (lane: string, operationId: string, context: Omit<CommandContext, 'commandId'>): Promise<void> => {
    await executor
      .execute(laneDecider, { type: 'ReleaseLane', lane, operation: operationId }, { ...context, commandId: newId() })
      .catch((error: unknown) => logger.warn({ err: error, lane, operationId }, 'the lane was not released'))
  }

  return {
    claim: async (operationId, { waitedAfter, admitted } = {}) => {
      const claimer = worker()
      const asked = await persist(claimer, () => requestOf(operationId))
      if (asked === undefined || !takes(asked.request.kind)) return undefined
      const { request, context } = asked
      const { lane, limits } = request
      if (limits !== undefined && admitted === undefined) return undefined
      if (lane !== null) {
        const laneContext = { ...context, commandId: newId() }
        const acquired = await persist(claimer, () =>
          executor.execute(laneDecider, { type: 'AcquireLane', lane, operation: operationId }, laneContext),
        )
        if (acquired === undefined || acquired.refused) return undefined
      }
      const started = await persist(claimer, () =>
        executor.execute(
          operation,
          { type: 'StartAttempt', id: operationId, worker: claimer, now: clock.now(), waitedAfter, admitted },
          context,
        ),
      )
      if (started === undefined) return undefined
      if (started.refused) {
        if (lane !== null && !holdsLane(started.state)) await release(lane, operationId, context)
        return undefined
      }
      // A lease that ran out meanwhile: the attempt is as good as lost, and the supervisor will say so.
      if (!isLive(claimer) || !('request' in started.state)) return undefined
      return {
        operationId,
        worker: claimer,
        live: started.state,
        context: { ...context, causationId: eventId(context.commandId, 0) },
      }
    },
    releaseLane: async ({ operationId, live, context }) => {
      if (live.request.lane !== null) await release(live.request.lane, operationId, context)
    },
  }
}

/** An operation holds its lane from its first start to its end, back-off included. */
const holdsLane = (state: OperationDecisionState): boolean => 'request' in state && state.attempt > 0
