import type { Logger } from 'pino'
import { checkKind } from '../../commands/clusters/check.ts'
import type { ClustersSettings } from '../../commands/clusters/settings.ts'
import type { CommandContext } from '../../commands/execute.ts'
import type { Schedules } from '../../commands/schedules/schedules.ts'
import { type Clock, instant } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import { clustersQueries, clustersView } from '../../projections/clusters/clusters.ts'
import type { Projections } from '../../projections/projection.ts'
import { createDueTimer, type DueTimer } from '../engine/due-timer.ts'

const schedule = { owner: 'clusters', name: 'watcher' } as const

/** Hosts that are due within one such time are checked together; it is looked as often whether the schedule is still right. */
const gridMs = 5_000
/** A firing is not waited for longer than this. */
const patienceMs = 30_000

/**
 * Keeps the one schedule of checks: it fires when the first host is due, so that nothing is started where nothing is. On one node at a time.
 * Source: clusters contract, section 6.6.
 */
export const createWatcher = ({
  projections,
  schedules,
  settings: { watch },
  clock,
  logger,
}: {
  readonly projections: Projections
  readonly schedules: Pick<Schedules, 'ensure' | 'pause'>
  readonly settings: Pick<ClustersSettings, 'watch'>
  readonly clock: Clock
  readonly logger: Logger
}): { start(): Promise<void>; stop(): Promise<void> } => {
  let timer: DueTimer | undefined
  let endFeed = (): void => {}
  /** When the schedule fires and for which host's time; null where it is paused, undefined where nothing is known of it. */
  let planned: { readonly at: number; readonly wanted: number } | null | undefined

  const context = (): CommandContext => {
    const commandId = newId()
    return { commandId, correlationId: commandId, actor: { principal: 'watcher', face: 'clusters', address: null } }
  }

  const pause = async (): Promise<void> => {
    if (planned === null) return
    await schedules.pause(schedule, context())
    planned = null
  }

  const fireAt = async (wanted: number): Promise<void> => {
    const now = clock.now()
    if (planned?.wanted === wanted && planned.at > now - patienceMs) return
    const at = Math.max(wanted, onGrid(now + 1))
    const definition = { kind: checkKind, input: {}, at: instant(at), catchUp: 'last' } as const
    const outcome = await schedules.ensure({ ...schedule, ...definition }, context())
    if (outcome.refused !== undefined) throw new Error(`the schedule of checks was refused: ${outcome.refused.reason}`)
    planned = { at, wanted }
  }

  const settle = async (): Promise<boolean> => {
    const { hosts } = clustersQueries(projections.views(clustersView))
    if (hosts.isBeingChecked()) return true
    const due = watch ? hosts.nextDueAt() : undefined
    await (due === undefined ? pause() : fireAt(onGrid(due)))
    return true
  }

  return {
    start: async () => {
      planned = undefined
      timer = createDueTimer({
        clock,
        work: settle,
        nextDueAt: () => (watch ? clock.now() + gridMs : undefined),
        failed: (error) => logger.warn({ err: error }, 'the schedule of checks could not be set; trying again'),
      })
      const { look } = timer
      endFeed = projections.onApplied((events) => {
        if (events.some(({ type }) => type === 'HostDeleted')) look()
      })
      look()
    },
    stop: async () => {
      endFeed()
      await timer?.stop()
    },
  }
}

const onGrid = (ms: number): number => Math.ceil(ms / gridMs) * gridMs
