import { z } from 'zod'
import { operationStream } from '../../commands/operation.ts'
import { outputStream } from '../../events/output.ts'
import { readOutput } from '../../projections/operations/read-output.ts'
import { caused, goneSignal } from '../faces/http-context.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { number, wait } from '../reading/query.ts'
import { findOperation, hasEnded } from './operation-answer.ts'
import { operationExample, problems } from './schemas.ts'

const defaultBytes = 65_536
const mostBytes = 1_048_576

export const operationOutput = ({ changes, hub, closing, operationReads: reads }: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'get',
    path: '/v1/operations/{id}/output',
    reads,
    summary: 'Read the output of an operation',
    description: '`Output-Next-Offset` is the offset of the next read; `Output-Complete: true` says that the output has ended.',
    tag: 'operations',
    scope: 'v1:read',
    params: { id: operationExample.id },
    query: z.object({
      offset: number(0, Number.MAX_SAFE_INTEGER, 'First byte'),
      limit: number(1, mostBytes, `Bytes at most; ${defaultBytes} where it is missing`),
      wait,
    }),
    answers: {
      200: { description: 'Bytes of the output', type: 'text/plain; charset=utf-8' },
      ...problems({ 400: 'A parameter is wrong', 404: 'There is no such operation' }),
    },
    handle: async ({ c, ports, known, params: { id = '' }, query }) => {
      const { offset = 0, limit = defaultBytes } = query
      findOperation({ ports, known }, id)
      const look = async () => {
        // The state is read first: output that was there when the operation had ended is all there is.
        const ended = hasEnded(findOperation({ ports, known }, id))
        const upTo = known.asOf ?? (await ports.log.head())
        caused(c, { position: upTo })
        return { ended, ...(await readOutput(ports.log, id, { offset, limit, upTo })) }
      }
      let slice = await look()
      if (slice.content.length === 0 && !slice.ended && query.wait !== undefined && query.wait > 0) {
        const news = async (): Promise<true | undefined> => {
          slice = await look()
          return slice.content.length > 0 || slice.ended ? true : undefined
        }
        const signal = AbortSignal.any([closing, goneSignal(c)])
        const stream = outputStream(id)
        // No view reads output, so the log itself says that there is more.
        const also = (ring: () => void) =>
          hub.join({ take: (events) => (events.some((event) => event.stream === stream) ? ring() : undefined) })
        await changes.until(operationStream(id), news, { timeoutMs: query.wait * 1000, signal, also })
      }
      return {
        status: 200,
        headers: {
          'Content-Type': 'text/plain; charset=utf-8',
          'Output-Next-Offset': String(slice.nextOffset),
          'Output-Complete': String(slice.ended && slice.nextOffset >= slice.size),
        },
        body: slice.content,
      }
    },
  })
