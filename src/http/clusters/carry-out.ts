import type { CommandContext } from '../../commands/execute.ts'
import { operation } from '../../commands/operation.ts'
import type { SubmitRequest } from '../../commands/submit.ts'
import type { OperationResource } from '../../projections/operations/operation-resource.ts'
import { caused, goneSignal, type HttpContext } from '../faces/http-context.ts'
import { settle } from '../reading/event-position.ts'
import { hasEnded, waitForOperation } from '../reading/operation-wait.ts'
import { type ClustersTools, furtherContext, reads } from './tools.ts'

/** All that one request waits for container managers. Source: clusters contract, section 1, "Request/worker wait". */
const longestWaitMs = 10_000
/** How long a cancelled operation gets to end. */
const endsWithinMs = 500

/** The moment, of the monotonic clock, until which a request that has just come waits for operations. */
export const waitEnd = ({ clock }: HttpContext): number => clock.monotonic() + longestWaitMs

/**
 * Asks for an operation and waits for its end, `until` that moment at most: then it is cancelled. Answers the operation, and that it succeeded or why not. The
 * views of this face hold all of it then; the route reads those of operations, too.
 */
export const carryOut = async (
  c: HttpContext,
  tools: Pick<ClustersTools, 'ports' | 'changes' | 'closing'>,
  { request, context, until }: { readonly request: SubmitRequest; readonly context: CommandContext; readonly until: number },
): Promise<{ readonly failure: string | undefined; readonly operation: OperationResource | undefined }> => {
  const { ports } = tools
  const submitted = await ports.submit(request, context, { internal: true })
  if (submitted.refused !== undefined) throw new Error(`${request.kind} was refused: ${submitted.refused.reason}`)
  const id = submitted.operationId
  await settle(ports, submitted.position)
  const gone = goneSignal(c)
  let ended = await waitForOperation(c, tools, { id, timeoutMs: until - c.clock.monotonic() })
  // Where the client has left or the server goes down, the operation goes on by itself.
  const isOver = !gone.aborted && !tools.closing.aborted
  if ((ended === undefined || !hasEnded(ended)) && isOver) {
    await ports.executor.execute(operation, { type: 'CancelOperation', id, reason: timeIsOver }, furtherContext(c, 'cancel', id))
    ended = await waitForOperation(c, tools, { id, timeoutMs: endsWithinMs })
  }
  const position = ended?.position ?? null
  caused(c, { position })
  await settle(ports, position, reads)
  const failure = ended?.state === 'succeeded' ? undefined : (ended?.error?.message ?? timeIsOver)
  return { failure, operation: ended }
}

const timeIsOver = `the container manager took longer than ${longestWaitMs / 1000} s`
