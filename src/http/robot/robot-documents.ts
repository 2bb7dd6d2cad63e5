import { z } from 'zod'
import type { DocumentedRoute } from '../faces/native-route.ts'
import { keyHeader, pastHeader, robotErrors, robotTag, usualErrors, usualWriteErrors } from './documents.ts'
import { messages } from './messages.ts'
import { WebHookBody } from './web-hooks.ts'

const RepositoryDocument = z.object({ url: z.string(), last_pushed: z.number().int().optional() })

const RobotInfoDocument = z
  .object({
    repositories: z.object({ data: RepositoryDocument, config: RepositoryDocument }),
    type: z.enum(['node', 'digitalme']).optional(),
    storage_healthy: z.boolean().nullable().meta({ description: 'Whether the log took a write; null for a moment of the past' }),
  })
  .meta({ id: 'RobotInfo' })

const percent = z.number().meta({ description: 'In percent, over a sample of 250 ms' })
const bytes = z.number().meta({ description: 'In bytes' })

const MetricsDocument = z
  .object({
    cpu: z
      .object({
        ...{ user: percent, nice: percent, system: percent, idle: percent },
        ...{ iowait: percent, irq: percent, softirq: percent },
      })
      .nullable(),
    memory: z.object({ total: bytes, active: bytes, free: bytes, cached: bytes, swap_total: bytes, swap_free: bytes }).nullable(),
    nr_services: z.number().int(),
  })
  .meta({ id: 'RobotMetrics' })

const WebHookDocument = z
  .object({ id: z.string().meta({ description: 'MD5 of the address' }), kind: z.literal('eco'), url: z.string() })
  .meta({ id: 'RobotWebHookEntry' })

/** Source: robot contract, rows 16 to 20. */
export const robotInfoDocuments: readonly DocumentedRoute[] = [
  {
    method: 'get',
    path: '/robot/info',
    summary: 'The robot',
    tag: robotTag,
    headers: pastHeader,
    answers: { ...usualErrors('robot:read'), 200: { description: 'The robot', schema: RobotInfoDocument } },
  },
  {
    method: 'get',
    path: '/robot/metrics',
    summary: 'Load of the machine, and the number of services',
    tag: robotTag,
    headers: pastHeader,
    answers: {
      ...usualErrors('robot:read'),
      200: { description: 'null for what the past cannot know', schema: MetricsDocument },
    },
  },
  {
    method: 'get',
    path: '/robot/webhooks',
    summary: 'Addresses that are told of failed tasks',
    tag: robotTag,
    headers: pastHeader,
    answers: { ...usualErrors('robot:read'), 200: { description: 'Every address', schema: z.array(WebHookDocument) } },
  },
  {
    method: 'post',
    path: '/robot/webhooks',
    summary: 'Add an address that is told of failed tasks',
    description:
      'It gets a POST with service, action_name, args and eco of each task that has failed for good, three times at most.',
    tag: robotTag,
    headers: keyHeader,
    body: WebHookBody,
    examples: { 'Failed tasks': { url: 'http://127.0.0.1:8001/failed', kind: 'eco' } },
    answers: {
      ...usualWriteErrors(),
      201: { description: 'The same address again is the same entry', schema: WebHookDocument },
      ...robotErrors({ 400: messages.badBody }),
    },
  },
  {
    method: 'delete',
    path: '/robot/webhooks/{id}',
    summary: 'Remove an address',
    tag: robotTag,
    params: { id: '900150983cd24fb0d6963f7d28e17f72' },
    answers: { ...usualWriteErrors(), 204: { description: 'Removed, or never there' } },
  },
]
