import type { KnownHost } from '../../../commands/clusters/investigation.ts'
import type { TargetContext } from '../../work.ts'
import { hostFailure } from '../host-failure.ts'
import type { Hosts, OpenHost } from '../hosts.ts'
import { type Patience, usualPatience } from '../ssh/reach.ts'

/** Logs in to a host, and out when the work has ended. Rejects with a `WorkFailed` that says how the host's output ended. */
export const onHost = async <Result>(
  hosts: Hosts,
  { address, registration }: KnownHost,
  context: TargetContext,
  work: (opened: OpenHost) => Promise<Result>,
  patience: Patience = usualPatience,
): Promise<Result> => {
  let opened: OpenHost | undefined
  try {
    opened = await hosts.logIn({ address, registration }, context, () => patience)
    return await work(opened)
  } catch (error) {
    if (context.signal.aborted) throw error
    const output = opened?.lastOutput() ?? ''
    throw hostFailure(error, output === '' ? {} : { output })
  } finally {
    await opened?.end()
  }
}
