import type { z } from 'zod'
import { type Change, type ChangeInput, changeKind, type HostChanged } from '../../../commands/clusters/change.ts'
import type { KnownHost } from '../../../commands/clusters/investigation.ts'
import type { ClustersSettings } from '../../../commands/clusters/settings.ts'
import type { Host } from '../../../projections/clusters/host-queries.ts'
import { atOnce } from '../../at-once.ts'
import { AttemptAborted } from '../../engine/attempt.ts'
import type { TargetContext, Work } from '../../work.ts'
import { HostUnusable, hostFailure } from '../host-failure.ts'
import { hostPolicy } from '../host-policy.ts'
import type { CurrentClusters } from '../membership/current-clusters.ts'
import { timeLimits } from '../operating-systems.ts'

/** What a change does with one host. Rejects with what `hostFailure` made of a failure. */
export type ChangeHost<Input> = (host: Host, input: Input, context: TargetContext) => Promise<HostChanged>

/** Longer than anything that a host may take. */
const longestTurnMs = timeLimits.ostreeMs + 600_000

/**
 * Goes over the hosts of a cluster one after the other, and stops at the first one that fails. What has succeeded is recorded host by host; a
 * later attempt goes on with the host that the lost one was at. A cancelled change finishes the host at work. Source: clusters contract,
 * sections 3 (row 4), 5, 6.5 and 10.
 */
export const changeWork = <Input extends ChangeInput>(
  {
    current,
    settings,
  }: {
    readonly current: Pick<CurrentClusters, 'hostOf' | 'isMember'>
    readonly settings: Pick<ClustersSettings, 'concurrency'>
  },
  {
    change,
    input: schema,
    description,
    changeHost,
  }: {
    readonly change: Change
    readonly input: z.ZodType<Input>
    readonly description: string
    readonly changeHost: ChangeHost<Input>
  },
): Work<Input, { readonly succeeded: number }> => {
  const { scheduler, during } = atOnce(settings.concurrency)

  const readyHost = async (known: KnownHost): Promise<Host> => {
    const host = await current.hostOf(known)
    const { address } = known
    if (host === undefined) throw new HostUnusable('host-gone', `the host ${address} was deleted`)
    const { status } = host
    if (status === 'active' || status === 'disassociated') return host
    throw new HostUnusable('host-not-ready', `the host ${address} is ${status}, neither active nor disassociated`)
  }

  return {
    kind: changeKind(change),
    face: 'clusters',
    description,
    submittable: false,
    input: schema,
    policy: hostPolicy,
    scheduler,
    stopWithinMs: longestTurnMs,
    run: (input, context) => {
      const signal = beyondCancellation(context.signal)
      const known = new Map(input.hosts.map((host) => [host.address, host]))
      const hostAt = (address: string): KnownHost => known.get(address) ?? { address, registration: '' }
      return during(context.operationId, () =>
        context.targets(
          { maxFailures: 1, repeatFailed: false, skips: async (address) => !(await current.isMember(hostAt(address), input)) },
          async (address, target) => {
            try {
              return await changeHost(await readyHost(hostAt(address)), input, { ...target, signal })
            } catch (error) {
              throw hostFailure(error)
            }
          },
        ),
      )
    },
  }
}

/** Aborts as the signal does, but for a cancellation. */
const beyondCancellation = (signal: AbortSignal): AbortSignal => {
  const controller = new AbortController()
  const abort = (): void => {
    const isCancelled = signal.reason instanceof AttemptAborted && signal.reason.why === 'cancelled'
    if (!isCancelled) controller.abort(signal.reason)
  }
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return controller.signal
}
