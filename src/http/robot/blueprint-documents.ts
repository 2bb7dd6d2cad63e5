import { z } from 'zod'
import type { DocumentedRoute } from '../faces/native-route.ts'
import { BlueprintBody } from './blueprints.ts'
import { keyHeader, robotErrors, robotTag, usualWriteErrors } from './documents.ts'
import { TaskDocumentSchema } from './task-documents.ts'

/** Source: robot contract, row 1. */
export const blueprintDocuments: readonly DocumentedRoute[] = [
  {
    method: 'post',
    path: '/blueprints',
    summary: 'Create services and schedule their actions, all or nothing',
    description: `Services that are there already are given the data. Answers when all is created and scheduled, within 120 s.`,
    tag: robotTag,
    headers: keyHeader,
    body: BlueprintBody,
    examples: {
      'A service and its action': {
        content: { services: [{ vm__vm1: { cpus: 2 } }], actions: [{ template: 'vm', service: 'vm1', actions: ['start'] }] },
      },
    },
    answers: {
      ...usualWriteErrors(),
      200: {
        description:
          'The scheduled tasks, by block, action and service; proposals of data to existing services are not among them',
        schema: z.array(TaskDocumentSchema),
      },
      ...robotErrors({
        400: 'What is wrong with the blueprint, or why the validation hook of a template refuses a service',
        404: 'There is no such template',
      }),
    },
  },
]
