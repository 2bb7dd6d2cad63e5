import type { ChangeInput } from '../../../commands/clusters/change.ts'
import { hostSystem } from '../facts.ts'
import type { Hosts } from '../hosts.ts'
import { type OperatingSystem, type OperatingSystems, ostreeSystem, supported, timeLimits } from '../operating-systems.ts'
import type { ChangeHost } from './change-work.ts'
import { onHost } from './on-host.ts'

/** Runs the one command of an upgrade or a deploy, or none where there is nothing to do. Source: clusters contract, section 6.5. */
export const update =
  <Input extends ChangeInput>(
    { hosts, systems }: { readonly hosts: Hosts; readonly systems: OperatingSystems },
    commandOf: (system: OperatingSystem, input: Input) => string | null,
  ): ChangeHost<Input> =>
  (host, input, context) =>
    onHost(hosts, host, context, async (opened) => {
      const os = await hostSystem(opened, host.os)
      const command = commandOf(supported(systems, os), input)
      if (command !== null)
        await opened.run(command, { timeLimitMs: os === ostreeSystem ? timeLimits.ostreeMs : timeLimits.packagesMs })
      return { os }
    })
