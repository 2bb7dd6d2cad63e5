import { type BlueprintFailure, BlueprintInput, type BlueprintOutcome, blueprintKind } from '../../../commands/robot/blueprint.ts'
import type { JsonValue } from '../../../lib/json.ts'
import { type Work, type WorkContext, WorkFailed } from '../../work.ts'
import { caughtUp } from '../caught-up.ts'
import { isGivenUp } from '../given-up.ts'
import type { RobotPorts } from '../robot-ports.ts'
import { blueprintServices } from './blueprint-services.ts'
import { blueprintTasks } from './blueprint-tasks.ts'
import { LateFailure } from './late-failure.ts'

const dayMs = 24 * 3_600_000
/** Every attempt but the last one ends because a name is busy, or the log does not answer. */
const mostAttempts = 1_000
const undoMs = 60_000

/** Creates the services of a blueprint and then requests its tasks: everything, or nothing remains. Source: robot contract, section 5. */
export const blueprintWork = (ports: RobotPorts): Work =>
  ({
    kind: blueprintKind,
    face: 'robot',
    description: 'Creates the services of a blueprint and schedules its actions',
    submittable: false,
    input: BlueprintInput,
    policy: {
      attempts: mostAttempts,
      timeoutMs: dayMs,
      backoff: { initialMs: 1_000, factor: 2, maxMs: 60_000 },
      whenLost: 'retry',
      lostAttempts: mostAttempts,
    },
    stopWithinMs: undoMs,
    run: async (input, context) => {
      const { step, signal } = context
      // It was planned on what another process may have known earlier.
      await caughtUp(ports, signal)
      const services = blueprintServices(ports, input, context)
      const tasks = blueprintTasks(ports, input, context)
      const undo = async (): Promise<string[]> => {
        await tasks.cancel()
        return services.remove()
      }

      const carryOut = async (): Promise<BlueprintOutcome> => {
        const standIns = await step('names', () => services.claimNames())
        await recorded(context, 'validation', () => services.validate(standIns))
        await recorded(context, 'check', () => tasks.check(standIns))
        const created = await step('services', () => services.create(standIns))
        await recorded(context, 'tasks', () => tasks.request(standIns))
        await services.discard(standIns)
        return { services: created, tasks: tasks.answered(standIns) }
      }

      try {
        return (await carryOut()) as unknown as JsonValue
      } catch (error) {
        if (isGivenUp(signal)) await undo()
        if (!(error instanceof LateFailure)) throw error
        const { refusal, message } = error
        const details: BlueprintFailure = { refusal, deletions: await step('undo', undo) }
        throw new WorkFailed('blueprint-refused', message, { retryable: false, details: details as unknown as JsonValue })
      }
    },
  }) satisfies Work<BlueprintInput> as Work

/** A step whose `LateFailure` is recorded as well: a later attempt finds that the blueprint has failed. */
const recorded = async ({ step }: WorkContext, name: string, take: () => Promise<void>): Promise<void> => {
  const refusal = await step(name, async () => {
    try {
      await take()
      return null
    } catch (error) {
      if (error instanceof LateFailure) return error.refusal as JsonValue
      throw error
    }
  })
  if (refusal !== null) throw new LateFailure(refusal as never)
}
