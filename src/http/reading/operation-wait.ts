import { operationStream } from '../../commands/operation.ts'
import type { OperationResource } from '../../projections/operations/operation-resource.ts'
import { goneSignal, type HttpContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import type { RouteTools } from '../faces/route-tools.ts'

const ended: readonly string[] = ['succeeded', 'failed', 'cancelled', 'timed-out']

export const hasEnded = ({ state }: OperationResource): boolean => ended.includes(state)

/**
 * Waits until an operation has ended (or is `enough`), for `timeoutMs` at most, and answers it as it is then; undefined where the view does not
 * know it. The wait ends at once where the client goes away or the server goes down. For routes of every face; the operation was requested before.
 */
export const waitForOperation = async (
  c: HttpContext,
  { ports, changes, closing }: { readonly ports: Pick<HttpPorts, 'operations'> } & Pick<RouteTools, 'changes' | 'closing'>,
  {
    id,
    timeoutMs,
    enough = hasEnded,
  }: { readonly id: string; readonly timeoutMs: number; readonly enough?: (operation: OperationResource) => boolean },
): Promise<OperationResource | undefined> => {
  const find = (): OperationResource | undefined => ports.operations(c.known).byId(id)
  const look = (): true | undefined => {
    const operation = find()
    return operation !== undefined && enough(operation) ? true : undefined
  }
  const signal = AbortSignal.any([closing, goneSignal(c)])
  if (timeoutMs > 0) await changes.until(operationStream(id), look, { timeoutMs, signal })
  return find()
}
