import { CheckInput, type CheckOutcome, checkKind } from '../../commands/clusters/check.ts'
import type { ClustersSettings } from '../../commands/clusters/settings.ts'
import { type Clock, instant } from '../../lib/clock.ts'
import type { Host } from '../../projections/clusters/host-queries.ts'
import { atOnce } from '../at-once.ts'
import { type Work, type WorkContext, WorkFailed } from '../work.ts'
import { CommandFailed, HostUnusable } from './host-failure.ts'
import { hostPolicy } from './host-policy.ts'
import type { Hosts } from './hosts.ts'
import type { CurrentClusters } from './membership/current-clusters.ts'
import { noPatience } from './ssh/reach.ts'
import { SshFailed } from './ssh/ssh.ts'

const answersWithinMs = 10_000

type Check = CheckOutcome['hosts'][number]

/** Logs in once to each host whose last check is old enough. Source: clusters contract, section 6.6. */
export const checkWork = ({
  hosts,
  current,
  clock,
  settings: { concurrency },
}: {
  readonly hosts: Hosts
  readonly current: Pick<CurrentClusters, 'due'>
  readonly clock: Clock
  readonly settings: Pick<ClustersSettings, 'concurrency'>
}): Work<CheckInput, CheckOutcome> => {
  const { scheduler, during } = atOnce(1)

  /** Undefined where the host is gone. */
  const isReached = async ({ address, registration }: Host, context: WorkContext): Promise<boolean | undefined> => {
    try {
      const opened = await hosts.logIn({ address, registration }, context, () => noPatience)
      try {
        await opened.run('true', { timeLimitMs: answersWithinMs })
      } finally {
        await opened.end()
      }
      return true
    } catch (error) {
      context.signal.throwIfAborted()
      if (error instanceof SshFailed || error instanceof CommandFailed) return false
      // Its key is forgotten just before it is deleted.
      if (error instanceof HostUnusable || error instanceof WorkFailed) return undefined
      throw error
    }
  }

  const run = async (context: WorkContext): Promise<CheckOutcome> => {
    const now = clock.now()
    const due = await current.due(now)
    const checks: Check[] = []
    const waiting = due.values()
    const turn = async (): Promise<void> => {
      for (const host of waiting) {
        const reached = await isReached(host, context)
        if (reached !== undefined) checks.push({ address: host.address, reached, at: instant(clock.now()) })
      }
    }
    await Promise.all(Array.from({ length: Math.min(concurrency, due.length) }, turn))
    // One that is being restarted by now is not lost.
    const still = new Set((await current.due(now)).map(({ address }) => address))
    return { hosts: checks.filter(({ address, reached }) => reached || still.has(address)) }
  }

  return {
    kind: checkKind,
    face: 'clusters',
    description: 'Looks whether hosts can still be reached',
    submittable: false,
    input: CheckInput,
    policy: hostPolicy,
    scheduler,
    run: (_input, context) => during(context.operationId, () => run(context)),
  }
}
