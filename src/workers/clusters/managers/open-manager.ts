import { isSealed, type SealedValue } from '../../../events/sealed.ts'
import type { JsonObject, JsonValue } from '../../../lib/json.ts'
import type { Outbound } from '../../outbound/outbound.ts'
import type { ContainerManager } from './container-manager.ts'
import { kubernetesManager } from './kubernetes.ts'
import { managerServer } from './manager-options.ts'
import { trivialManager } from './trivial.ts'

/** A configuration as it stands in the log: its token is sealed. */
export interface StoredManager {
  readonly type: 'openshift' | 'kubernetes' | 'trivial'
  readonly options: JsonObject
}

/** The manager of a configuration. `open` opens its token, when it is first needed; `isNode` says who is registered there. */
export const openManager = (
  { type, options }: StoredManager,
  {
    outbound,
    open,
    isNode,
  }: {
    readonly outbound: Outbound
    readonly open: (sealed: SealedValue) => Promise<JsonValue>
    readonly isNode: (address: string) => boolean
  },
): ContainerManager => {
  if (type === 'trivial') return trivialManager(isNode)
  return kubernetesManager(outbound, async () => {
    const { token } = options
    return managerServer(isSealed(token) ? { ...options, token: await open(token as SealedValue) } : options)
  })
}
