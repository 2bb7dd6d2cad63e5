import { servicePrefix } from '../../events/robot/service.ts'
import { type Clock, parseInstant } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import type { EventLog, RecordedEvent } from '../../stores/event-log.ts'
import type { CommandContext, Executor } from '../execute.ts'
import { operation, operationStream } from '../operation.ts'
import { service } from './service.ts'
import { type NameScope, serviceName } from './service-name.ts'

/** A name for a service of a template. */
export interface WantedName {
  readonly name: string
  readonly guid: string
  readonly templateUid: string
  readonly scope: NameScope
}

/**
 * Names of services. A name is claimed before the operation is recorded that uses it, whose id is the correlation of the claim: a claim that no
 * service and no unfinished operation stands behind was left by a crash, and gives way to the next one.
 */
export interface NameClaims {
  /** Whether the service has the name now; claiming it again changes nothing. */
  claim(wanted: WantedName, context: CommandContext): Promise<boolean>
  /** Whether somebody else has it: for a refusal that appends nothing. */
  isTaken(wanted: WantedName): Promise<boolean>
  release(held: Pick<WantedName, 'name' | 'guid'>, context: CommandContext): Promise<void>
}

/** A claim without its operation is this old at least when it counts as left behind: the two are recorded one right after the other. */
const leftBehindMs = 60_000

export const createNameClaims = ({
  executor,
  log,
  clock,
}: {
  readonly executor: Executor
  readonly log: EventLog
  readonly clock: Pick<Clock, 'now'>
}): NameClaims => {
  const ownContext = (context: CommandContext): CommandContext => ({ ...context, commandId: newId() })

  const claimOf = async (stream: string, guid: string): Promise<RecordedEvent | undefined> => {
    for await (const event of log.readStream(stream, { from: 'end', backwards: true }))
      if (event.type === 'NameClaimed' && event.data.guid === guid) return event
    return undefined
  }

  /** The operation first: it ends after its service was created. */
  const isLeftBehind = async (stream: string, guid: string): Promise<boolean> => {
    const claim = await claimOf(stream, guid)
    if (claim === undefined) return false
    const { state } = await executor.load(operation, operationStream(claim.metadata.correlationId))
    if ('request' in state) return false
    if (state.status === 'absent' && clock.now() - parseInstant(claim.recordedAt) < leftBehindMs) return false
    return (await executor.load(service, `${servicePrefix}${guid}`)).state.status !== 'live'
  }

  return {
    claim: async ({ scope, ...wanted }, context) => {
      const command = { type: 'ClaimName', ...wanted, scope } as const
      const stream = serviceName.streamOf(command)
      for (;;) {
        const { refused } = await executor.execute(serviceName, command, ownContext(context))
        if (refused === undefined) return true
        if (refused.reason === 'version-mismatch' || !(await isLeftBehind(stream, refused.holder))) return false
        const { name } = wanted
        await executor.execute(serviceName, { type: 'ReleaseName', name, guid: refused.holder }, ownContext(context))
      }
    },
    isTaken: async (wanted) => {
      const command = { type: 'ClaimName', ...wanted } as const
      const stream = serviceName.streamOf(command)
      const { state } = await executor.load(serviceName, stream)
      const decision = serviceName.decide(command, state)
      return 'refused' in decision && !(await isLeftBehind(stream, decision.refused.holder))
    },
    release: async ({ name, guid }, context) => {
      await executor.execute(serviceName, { type: 'ReleaseName', name, guid }, ownContext(context))
    },
  }
}
