import { ChangeInput, DeployInput } from '../../../commands/clusters/change.ts'
import type { ClustersSettings } from '../../../commands/clusters/settings.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Work } from '../../work.ts'
import type { Hosts } from '../hosts.ts'
import type { CurrentClusters } from '../membership/current-clusters.ts'
import { deployCommand, type OperatingSystems } from '../operating-systems.ts'
import { changeWork } from './change-work.ts'
import { restart } from './restart.ts'
import { update } from './update.ts'

/** What goes over the hosts of a cluster. Source: clusters contract, section 6.5. */
export const changeWorks = (ports: {
  readonly hosts: Hosts
  readonly current: CurrentClusters
  readonly systems: OperatingSystems
  readonly settings: ClustersSettings
  readonly clock: Clock
}): readonly Work[] =>
  [
    changeWork(ports, {
      change: 'deploy',
      input: DeployInput,
      description: 'Deploys a version of the system on the hosts of a cluster, one after the other',
      changeHost: update(ports, (system, { version }) => deployCommand(system, version)),
    }),
    changeWork(ports, {
      change: 'upgrade',
      input: ChangeInput,
      description: 'Upgrades the hosts of a cluster, one after the other',
      changeHost: update(ports, ({ upgrade }) => upgrade),
    }),
    changeWork(ports, {
      change: 'restart',
      input: ChangeInput,
      description: 'Restarts the hosts of a cluster, one after the other',
      changeHost: restart(ports),
    }),
  ] as unknown as readonly Work[]
