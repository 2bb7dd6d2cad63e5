import { cluster as clusterDecider, clusterStream } from '../../commands/clusters/cluster.ts'
import { clusterHost, hostStream } from '../../commands/clusters/cluster-host.ts'
import { clusterNetwork, defaultNetwork, networkOf, networkStream } from '../../commands/clusters/cluster-network.ts'
import {
  type InvestigateOutcome,
  type InvestigationFailure,
  investigateKind,
  investigationSteps,
  KnownHost,
} from '../../commands/clusters/investigation.ts'
import type { ClustersSettings } from '../../commands/clusters/settings.ts'
import type { Executor } from '../../commands/execute.ts'
import { defaultNetworkName } from '../../events/clusters/network.ts'
import { atOnce } from '../at-once.ts'
import type { Work, WorkContext } from '../work.ts'
import { bootstrap } from './bootstrap.ts'
import { gatherFacts } from './facts.ts'
import { hostFailure } from './host-failure.ts'
import { hostPolicy } from './host-policy.ts'
import type { Hosts, OpenHost } from './hosts.ts'
import type { CurrentClusters } from './membership/current-clusters.ts'
import type { NodeChanges } from './membership/node-changes.ts'
import { type OperatingSystems, supported } from './operating-systems.ts'
import { bootingPatience, usualPatience } from './ssh/reach.ts'

type Phase = InvestigationFailure['phase']

/**
 * Looks at a host, prepares it, and registers it where its cluster is managed. What is done is recorded step by step, so that a later attempt goes on from
 * there; a failure says its phase. Source: clusters contract, sections 6.2 to 6.4 and 10.
 */
export const investigateWork = ({
  executor,
  hosts,
  nodes,
  current,
  systems,
  settings,
}: {
  readonly executor: Executor
  readonly hosts: Hosts
  readonly nodes: NodeChanges
  readonly current: Pick<CurrentClusters, 'has' | 'managerOf'>
  readonly systems: OperatingSystems
  readonly settings: ClustersSettings
}): Work<KnownHost, InvestigateOutcome> => {
  const { scheduler, during } = atOnce(settings.concurrency)

  /** The cluster that a host is in, as long as it is that host and that cluster. */
  const clusterOf = async ({ address, registration }: KnownHost) => {
    const { state: host } = await executor.load(clusterHost, hostStream(address))
    if (host.status === 'absent' || host.registration !== registration || host.member === null) return undefined
    if (!(await current.has(host.member))) return undefined
    const { state } = await executor.load(clusterDecider, clusterStream(host.member.cluster))
    return state.status === 'absent' ? undefined : { ...state, ...host.member }
  }

  const networkFor = async (host: KnownHost) => {
    const name = (await clusterOf(host))?.network ?? defaultNetworkName
    const { state } = await executor.load(clusterNetwork, networkStream(name))
    return networkOf(name, state) ?? defaultNetwork
  }

  /** Whether the host is registered; a manager that refuses is no failure of the host. */
  const register = async (host: KnownHost, context: WorkContext): Promise<boolean> => {
    const joined = await clusterOf(host)
    if (joined === undefined) return false
    const { cluster, creation } = joined
    // A node stays where it is registered, whatever the cluster has been given since.
    const manager = (await current.managerOf(host)) ?? joined.containerManager
    if (manager === '') return false
    const { done } = await nodes.register({ ...host, manager }, cluster, context)
    if (!done) return false
    // It may have left meanwhile, and whoever took it out knew of no node.
    if ((await clusterOf(host))?.creation === creation) return true
    await nodes.remove({ ...host, manager }, context)
    return false
  }

  const run = async (input: KnownHost, context: WorkContext): Promise<InvestigateOutcome> => {
    const { step, progress, signal } = context
    let host: OpenHost | undefined
    const inPhase = async <Result>(phase: Phase, work: () => Result | Promise<Result>): Promise<Result> => {
      progress({ phase })
      try {
        return await work()
      } catch (error) {
        if (signal.aborted) throw error
        const output = host?.lastOutput() ?? ''
        throw hostFailure(error, { phase, ...(output === '' ? {} : { output }) })
      }
    }
    try {
      const opened = await inPhase('connect', async () => {
        host = await hosts.logIn(input, context, ({ inferredAddress }) => (inferredAddress ? bootingPatience : usualPatience))
        const { fingerprint } = host
        await step(investigationSteps.connect, async () => ({ fingerprint }))
        return host
      })
      const facts = await inPhase('facts', () => step(investigationSteps.facts, () => gatherFacts(opened)))
      const os = await inPhase('os', () => supported(systems, facts.os))
      await inPhase('bootstrap', async () => bootstrap(opened, { os, network: await networkFor(input), systems, settings, step }))
    } finally {
      await host?.end()
    }
    return { status: (await register(input, context)) ? 'active' : 'disassociated' }
  }

  return {
    kind: investigateKind,
    face: 'clusters',
    description: 'Looks at a host, prepares it, and registers it where its cluster is managed',
    submittable: false,
    input: KnownHost,
    policy: hostPolicy,
    scheduler,
    run: (input, context) => during(context.operationId, () => run(input, context)),
  }
}
