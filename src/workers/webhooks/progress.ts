import type { Executor } from '../../commands/execute.ts'
import { webhookProgress } from '../../commands/webhook-progress.ts'
import type { WebhookProgressEvent } from '../../events/webhook.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, Unavailable } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { OpenDelivery, WebhookRow } from '../../projections/webhooks/webhooks.ts'
import type { Position } from '../../stores/event-log.ts'
import type { Lane } from './lanes.ts'

/** Another node delivers this webhook by now. */
export class TakenOver extends Error {
  override readonly name = 'TakenOver'
}

type Failure = Extract<WebhookProgressEvent, { type: 'WebhookDeliveryFailed' }>['data']

/** Keeps on the record how far a webhook has come. */
export interface Progress {
  /** Resolves when it is on the record that one more event needs no delivery. Rejects with `TakenOver`. */
  settled(event: { readonly delivered: boolean }): Promise<void>
  failed(failure: Failure): Promise<void>
  /** The same for the position alone, where nothing was delivered for long. */
  mark(): Promise<void>
}

const retryMs = 1_000
export const deliveryActor = { principal: 'webhooks', face: null, address: null }

/**
 * One append at a time; what comes meanwhile goes with the next one. Each tells the position up to which the log was read, and the lanes
 * that are not settled there, as far as that has changed.
 */
export const createProgress = ({
  webhook: { run, progressRevision },
  open,
  reached,
  lanes,
  executor,
  clock,
  signal,
  onTrouble,
}: {
  readonly webhook: Pick<WebhookRow, 'run' | 'progressRevision'>
  /** What is on the record as being behind. */
  readonly open: readonly OpenDelivery[]
  readonly reached: () => Position
  readonly lanes: () => Iterable<Lane>
  readonly executor: Executor
  readonly clock: Clock
  /** Gives up what cannot be stored; then everything rejects with its reason. */
  readonly signal: AbortSignal
  readonly onTrouble: (reason: string) => void
}): Progress => {
  const recorded = new Map(
    open.filter(({ redriven }) => redriven === null).map(({ stream, revision }) => [stream, revision] as const),
  )
  let revision = progressRevision
  let failures: Failure[] = []
  let delivered = 0
  let running: Promise<void> | undefined
  let following: Promise<void> | undefined

  /** How far it is, against what is on the record. */
  const advance = (): Extract<WebhookProgressEvent, { type: 'WebhookAdvanced' }> => {
    const behind: { stream: string; revision: number; position: Position }[] = []
    const stillOpen = new Set<string>()
    for (const lane of lanes()) {
      if (lane.redriven !== null) continue
      stillOpen.add(lane.stream)
      if (recorded.get(lane.stream) === lane.revision) continue
      recorded.set(lane.stream, lane.revision)
      behind.push({ stream: lane.stream, revision: lane.revision, position: lane.position })
    }
    const caughtUp = [...recorded.keys()].filter((stream) => !stillOpen.has(stream))
    for (const stream of caughtUp) recorded.delete(stream)
    return { type: 'WebhookAdvanced', data: { position: reached(), delivered, behind, caughtUp } }
  }

  const append = async (): Promise<void> => {
    const failed = failures.map((data) => ({ type: 'WebhookDeliveryFailed', data }) as const)
    failures = []
    const events = [...failed, advance()]
    delivered = 0
    const commandId = newId()
    const context = { commandId, correlationId: run, actor: deliveryActor, ...(failed[0] && { causationId: failed[0].data.id }) }
    for (;;) {
      try {
        const outcome = await executor.execute(webhookProgress, { run, events }, context, { pinnedRevision: revision })
        if (outcome.refused !== undefined) throw new TakenOver('another node delivers this webhook')
        revision = outcome.revision
        return
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
        onTrouble(messageOf(error))
        await clock.sleep(retryMs, signal)
      }
    }
  }

  const flush = (): Promise<void> => {
    if (running === undefined) {
      running = append().finally(() => {
        running = undefined
      })
      return running
    }
    following ??= running.then(() => {
      following = undefined
      return flush()
    })
    return following
  }

  return {
    settled: (event) => {
      if (event.delivered) delivered++
      return flush()
    },
    failed: (failure) => {
      failures.push(failure)
      return flush()
    },
    mark: flush,
  }
}
