import type { ChangeInput } from '../../../commands/clusters/change.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Host } from '../../../projections/clusters/host-queries.ts'
import { type TargetContext, WorkFailed } from '../../work.ts'
import { HostUnusable } from '../host-failure.ts'
import type { Hosts, OpenHost } from '../hosts.ts'
import { type OperatingSystems, supported, timeLimits } from '../operating-systems.ts'
import { noPatience } from '../ssh/reach.ts'
import { quoted } from '../ssh/shell.ts'
import { SshFailed } from '../ssh/ssh.ts'
import type { ChangeHost } from './change-work.ts'
import { onHost } from './on-host.ts'

/** Source: clusters contract, sections 6.1 and 6.5. */
const goesDownMs = 5_000
const backWithinMs = 200_000
const lookEveryMs = 1_000
const commandLimitMs = 60_000

const bootIdFile = '/proc/sys/kernel/random/boot_id'

/** Types of failures that a machine has which is not up yet. */
const notUpYet: readonly string[] = ['host-unreachable', 'key-refused', 'connection-lost', 'time-limit', 'command-failed']

/**
 * Restarts a host: it is back when it lets us in with another boot id. The id before is recorded first, so that a later attempt sees
 * whether the host was restarted.
 */
export const restart = ({
  hosts,
  systems,
  clock,
}: {
  readonly hosts: Hosts
  readonly systems: OperatingSystems
  readonly clock: Clock
}): ChangeHost<ChangeInput> => {
  /** The boot id of a host that is up; undefined where it is not. */
  const look = async (host: Host, context: TargetContext): Promise<string | undefined> => {
    try {
      // A host that is down says so every second.
      return await onHost(hosts, host, { ...context, output: async () => undefined }, bootIdOf, noPatience)
    } catch (error) {
      if (error instanceof WorkFailed && notUpYet.includes(error.type)) return undefined
      throw error
    }
  }

  /** Resolves once the host is up and has such a boot id; with it. */
  const untilUp = async (host: Host, context: TargetContext, isRight: (bootId: string) => boolean): Promise<string> => {
    const until = clock.monotonic() + backWithinMs
    for (;;) {
      const bootId = await look(host, context)
      if (bootId !== undefined && isRight(bootId)) return bootId
      if (clock.monotonic() + lookEveryMs > until)
        throw new HostUnusable(
          'host-not-back',
          `the host ${host.address} did not come back with another boot id within ${backWithinMs / 1000} s`,
        )
      await clock.sleep(lookEveryMs, context.signal)
    }
  }

  return async (host, _input, context) => {
    const { restart: command } = supported(systems, host.os)
    let isFirst = false
    const { bootId: before } = await context.step('bootId', async () => {
      isFirst = true
      return { bootId: await onHost(hosts, host, context, bootIdOf) }
    })
    // An earlier attempt may have sent the command: the host is down then, or back already.
    if (!isFirst && (await untilUp(host, context, () => true)) !== before) return { os: host.os }
    await onHost(hosts, host, context, (opened) => goDown(opened, command), noPatience)
    await clock.sleep(goesDownMs, context.signal)
    await untilUp(host, context, (bootId) => bootId !== before)
    return { os: host.os }
  }
}

const bootIdOf = async (opened: OpenHost): Promise<string> => {
  const bootId = (await opened.run(`cat ${bootIdFile}`, { timeLimitMs: timeLimits.factsMs })).trim()
  if (bootId === '') throw new HostUnusable('boot-id-missing', `${bootIdFile} is empty`)
  return bootId
}

/** The command outlives the connection, which may be lost before it has said how it ended. */
const goDown = async (opened: OpenHost, command: string): Promise<void> => {
  try {
    await opened.run(`nohup sh -c ${quoted(command)} >/dev/null 2>&1 &`, { timeLimitMs: commandLimitMs })
  } catch (error) {
    if (!(error instanceof SshFailed && error.reason === 'lost')) throw error
  }
}
