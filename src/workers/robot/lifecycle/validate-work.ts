import { ValidateInput as Input, type ValidateInput, validateKind } from '../../../commands/robot/lifecycle.ts'
import { service } from '../../../commands/robot/service.ts'
import { servicePrefix } from '../../../events/robot/service.ts'
import type { JsonValue } from '../../../lib/json.ts'
import { type Work, type WorkContext, WorkFailed } from '../../work.ts'
import type { RobotPorts } from '../robot-ports.ts'
import { type Creating, createCreation } from './creation.ts'

/** A service that is held is tried again after this time. */
const heldMs = 10_000
const tenYearsMs = 10 * 365 * 24 * 3_600_000

/** Validates a new service and creates it, or validates one until it is valid. Source: robot contract, section 7. */
export const validateWork = (ports: RobotPorts): Work => {
  const creation = createCreation(ports)

  const isThere = async (guid: string): Promise<boolean> =>
    (await ports.executor.load(service, `${servicePrefix}${guid}`)).state.status === 'live'

  /** A refused service leaves nothing; an attempt that is interrupted leaves everything to the next one. */
  const create = async (creating: Creating, context: WorkContext): Promise<JsonValue> => {
    if (await isThere(creating.guid)) return accepted
    try {
      await creation.claimName(creating, context)
      await creation.validate(creating, context)
      // The hook may have taken its time.
      await creation.claimName(creating, context)
    } catch (error) {
      if (error instanceof WorkFailed) await creation.discard(creating, context)
      throw error
    }
    await creation.create(creating, context)
    return accepted
  }

  return {
    kind: validateKind,
    face: 'robot',
    description: 'Validates a service with its template and creates it, or holds its tasks until it is valid',
    submittable: false,
    input: Input,
    policy: {
      attempts: Number.MAX_SAFE_INTEGER,
      timeoutMs: tenYearsMs,
      backoff: { initialMs: heldMs, factor: 1, maxMs: heldMs },
      whenLost: 'retry',
      lostAttempts: Number.MAX_SAFE_INTEGER,
    },
    stopWithinMs: ports.processes.endsWithinMs,
    run: async ({ service: guid, create: created }, context) =>
      created === null ? accepted : create({ guid, ...created }, context),
  } satisfies Work<ValidateInput> as Work
}

const accepted = {}
