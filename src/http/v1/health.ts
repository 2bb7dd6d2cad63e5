import { z } from 'zod'
import type { Health } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'

const Live = z.object({ status: z.literal('ok') }).meta({ id: 'Liveness' })
const Ready = z
  .object({ status: z.enum(['ready', 'starting', 'draining', 'failing']), checks: z.record(z.string(), z.string()) })
  .meta({ id: 'Readiness' })

/** Whether the process runs, and whether it should be sent requests. Source: native contract, section 6. */
export const healthRoutes = (health: Health): readonly NativeRoute[] => [
  nativeRoute({
    method: 'get',
    path: '/livez',
    summary: 'Liveness',
    tag: 'health',
    scope: null,
    answers: { 200: { description: 'The process runs', schema: Live } },
    handle: () => json({ status: 'ok' }),
  }),
  nativeRoute({
    method: 'get',
    path: '/readyz',
    summary: 'Readiness',
    description: 'Members of `checks` that are not `ok` name the problem.',
    tag: 'health',
    scope: null,
    answers: {
      200: { description: 'The server is ready', schema: Ready },
      503: { description: 'The server is not ready', schema: Ready },
    },
    handle: () => readiness(health),
  }),
]

/** The answer of `/readyz`. */
export const readiness = async (health: Health): Promise<Reply> => {
  const checks = await health.checks()
  const state = health.state()
  const isFailing = state === 'ready' && Object.values(checks).some((check) => check !== 'ok')
  const status = isFailing ? 'failing' : state
  return status === 'ready' ? json({ status, checks }) : json({ status, checks }, 503, { 'Retry-After': '1' })
}
