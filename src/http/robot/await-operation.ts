import type { OperationResource } from '../../projections/operations/operation-resource.ts'
import { caused, type HttpContext } from '../faces/http-context.ts'
import { hasEnded, waitForOperation } from '../reading/operation-wait.ts'
import type { Reply } from '../replies/reply.ts'
import { robotError } from './error-body.ts'
import type { RobotTools } from './tools.ts'

/**
 * Waits for the end of an operation; `over` is the 503 where the wait is over, and the operation goes on. The route reads the views of
 * operations (`ports.operations.reads`). Source: robot contract, section 7.
 */
export const awaitOperation = async (
  c: HttpContext,
  { ports, changes, closing }: Pick<RobotTools, 'ports' | 'changes' | 'closing'>,
  { id, timeoutMs }: { readonly id: string; readonly timeoutMs: number },
): Promise<
  { readonly ended: OperationResource; readonly over?: undefined } | { readonly ended?: undefined; readonly over: Reply }
> => {
  const operation = await waitForOperation(c, { ports, changes, closing }, { id, timeoutMs })
  if (operation === undefined || !hasEnded(operation)) return { over: stillRunning(id) }
  // Whoever brings this position to another node sees what the operation has done.
  caused(c, { position: operation.position })
  return { ended: operation }
}

/** Waits until an operation has been tried once; undefined then, else the 503 as above. */
export const awaitFirstAttempt = async (
  c: HttpContext,
  { ports, changes, closing }: Pick<RobotTools, 'ports' | 'changes' | 'closing'>,
  { id, timeoutMs }: { readonly id: string; readonly timeoutMs: number },
): Promise<Reply | undefined> => {
  const isTried = (operation: OperationResource): boolean => operation.state === 'retrying' || hasEnded(operation)
  const operation = await waitForOperation(c, { ports, changes, closing }, { id, timeoutMs, enough: isTried })
  return operation !== undefined && isTried(operation) ? undefined : stillRunning(id)
}

/** The wait that the contract names is over. */
export const stillRunning = (id: string): Reply =>
  robotError(503, { message: `the operation ${id} is not finished yet; it goes on` }, { 'Retry-After': '5' })
