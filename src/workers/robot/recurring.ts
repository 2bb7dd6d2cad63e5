import type { CommandContext } from '../../commands/execute.ts'
import type { TemplateManifest } from '../../commands/robot/manifest.ts'
import { planTask } from '../../commands/robot/plan-task.ts'
import { secretSubject } from '../../commands/robot/secret-members.ts'
import { priorities } from '../../commands/robot/task.ts'
import type { Schedules } from '../../commands/schedules/schedules.ts'
import { sealValue } from '../../commands/sealing.ts'
import type { Clock } from '../../lib/clock.ts'
import { derivedId, md5 } from '../../lib/ids.ts'
import type { Projections } from '../../projections/projection.ts'
import { scheduleQueries } from '../../projections/schedules.ts'
import type { EventLog } from '../../stores/event-log.ts'
import type { Secrets } from '../../stores/secrets.ts'
import { caughtUp } from './caught-up.ts'

/**
 * Recurring actions: a schedule of this face for each of a service. It fires at once, then counts from its last firing, and while its task waits
 * or runs it fires nothing. Works that use it read the view `schedules`. Source: robot contract, section 6.6.
 */
export interface Recurring {
  /**
   * Schedules the recurring actions of the template that the service is bound to, and no others; again it changes nothing. Answers why some
   * cannot be, in sentences: an argument is mandatory.
   */
  register(guid: string, manifest: TemplateManifest, context: CommandContext, signal: AbortSignal): Promise<readonly string[]>
  /** From then on nothing is fired; what was fired waits and runs as it is. */
  remove(guid: string, context: CommandContext, signal: AbortSignal): Promise<void>
}

const owner = 'robot'
const view = 'schedules'
const shortestMs = 100
const longestMs = 10 * 366 * 24 * 3_600_000
const longestName = 200

export const createRecurring = ({
  schedules,
  secrets,
  ...ports
}: {
  readonly schedules: Pick<Schedules, 'ensure' | 'remove'>
  readonly secrets: Secrets
  readonly log: EventLog
  readonly projections: Projections
  readonly clock: Clock
}): Recurring => {
  const known = async (guid: string, signal: AbortSignal): Promise<readonly string[]> => {
    await caughtUp(ports, signal, [view])
    return scheduleQueries(ports.projections.views(view)).ownNames(owner, beginningOf(guid))
  }

  const ensure = async (
    guid: string,
    manifest: TemplateManifest,
    { action, seconds }: RecurringAction,
    context: CommandContext,
  ): Promise<string | undefined> => {
    const planned = await planTask({ guid }, manifest, { action, args: {}, priority: priorities.recurring }, async (value) =>
      sealValue(secretSubject(guid), value, secrets),
    )
    if (planned.refused !== undefined) return `the action ${action} cannot recur: ${planned.refused.message}`
    const { kind, input, lane, priority = priorities.recurring, wholePolicy } = planned.request
    const everyMs = Math.min(Math.max(Math.ceil(seconds * 1000), shortestMs), longestMs)
    const made = await schedules.ensure(
      {
        ...{ owner, name: scheduleName(guid, action), kind, input, lane, priority, wholePolicy, everyMs },
        ...{ afterLast: true, overlap: 'skip', catchUp: 'last' },
      },
      { ...context, commandId: derivedId('recurring', context.commandId, action) },
    )
    if (made.refused !== undefined) throw new Error(`the action ${action} cannot recur: ${made.refused.reason}`)
    return undefined
  }

  const removeAll = async (names: readonly string[], context: CommandContext): Promise<void> => {
    for (const name of names)
      await schedules.remove({ owner, name }, { ...context, commandId: derivedId('recurring-no-more', context.commandId, name) })
  }

  return {
    register: async (guid, manifest, context, signal) => {
      const wanted = recurringActions(manifest)
      const names = wanted.map(({ action }) => scheduleName(guid, action))
      const others = (await known(guid, signal)).filter((name) => !names.includes(name))
      await removeAll(others, context)
      const faults: string[] = []
      for (const action of wanted) {
        const fault = await ensure(guid, manifest, action, context)
        if (fault !== undefined) faults.push(fault)
      }
      return faults
    },
    remove: async (guid, context, signal) => removeAll(await known(guid, signal), context),
  }
}

interface RecurringAction {
  readonly action: string
  readonly seconds: number
}

const recurringActions = ({ actions }: TemplateManifest): readonly RecurringAction[] =>
  Object.entries(actions).flatMap(([action, { recurring }]) => (recurring === undefined ? [] : [{ action, seconds: recurring }]))

const beginningOf = (guid: string): string => `${guid}/`

const scheduleName = (guid: string, action: string): string => {
  const name = `${beginningOf(guid)}${action}`
  return name.length > longestName ? `${beginningOf(guid)}${md5(action)}` : name
}
