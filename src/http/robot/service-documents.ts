import { z } from 'zod'
import type { DocumentedRoute } from '../faces/native-route.ts'
import { ServiceBody } from './create-service.ts'
import { keyHeader, pastHeader, robotErrors, robotTag, usualErrors, usualWriteErrors } from './documents.ts'
import { messages } from './messages.ts'
import { ServiceDocument } from './service-document.ts'
import { ServiceQuery } from './services.ts'
import { UpgradeBody } from './upgrade-service.ts'

const params = { service_guid: '019ab2c4-5b3e-7c1a-9d2f-3e4a5b6c7d8e' }
const unknownService = messages.serviceNotFound('<guid>')
const uid = 'git.example.org/acme/templates/vm/1.0.0'

/** Source: robot contract, rows 5 to 9. */
export const serviceDocuments: readonly DocumentedRoute[] = [
  {
    method: 'get',
    path: '/services',
    summary: 'Services in the order of their creation',
    description: 'Every filter that is given has to be equal; empty ones are passed over.',
    tag: robotTag,
    query: ServiceQuery,
    headers: pastHeader,
    answers: { ...usualErrors('robot:read'), 200: { description: 'The services', schema: z.array(ServiceDocument) } },
  },
  {
    method: 'post',
    path: '/services',
    summary: 'Create a service of a template',
    description:
      'Answers when it is created, within 120 s: its data has the defaults of the schema, and its template has validated it. Without a name it is named after its guid.',
    tag: robotTag,
    headers: keyHeader,
    body: ServiceBody,
    examples: { 'A service of a loaded template': { template: uid, name: 'web1', data: { memory: 512 } } },
    answers: {
      ...usualWriteErrors(),
      201: { description: 'The service; its place is in Location', schema: ServiceDocument },
      ...robotErrors({
        400: [
          messages.badBody,
          messages.malformedUid('<text>'),
          messages.templateNotFound('<text>'),
          messages.ambiguous('<name>'),
          messages.notCreated('<name>', '<uid>', '<words of the template>'),
        ].join('; or: '),
        409: messages.nameTaken('<name>'),
      }),
    },
  },
  {
    method: 'get',
    path: '/services/{service_guid}',
    summary: 'A service',
    tag: robotTag,
    headers: pastHeader,
    params,
    answers: {
      ...usualErrors('robot:read'),
      200: { description: 'The service', schema: ServiceDocument },
      ...robotErrors({ 404: unknownService }),
    },
  },
  {
    method: 'put',
    path: '/services/{service_guid}',
    summary: 'Upgrade a service to another version of its template',
    description:
      'Answers when it is upgraded. It waits for the running task, which is cancelled after 300 s. Where the new version refuses the service, its tasks wait until it does not.',
    tag: robotTag,
    params,
    body: UpgradeBody,
    examples: { 'Another version': { template: uid } },
    answers: {
      ...usualWriteErrors(),
      200: { description: 'The service', schema: ServiceDocument },
      ...robotErrors({
        400: `${messages.badBody}; or: ${messages.malformedUid('<text>')}; or it is another template`,
        404: `${unknownService}; or: ${messages.templateNotFound('<uid>')}`,
        409: messages.nameTaken('<name>'),
      }),
    },
  },
  {
    method: 'delete',
    path: '/services/{service_guid}',
    summary: 'Delete a service with its tasks and its data',
    description: 'Answers when it is deleted, within 90 s. An unknown service is deleted already.',
    tag: robotTag,
    params,
    answers: { ...usualErrors('robot:write'), 204: { description: 'Deleted' } },
  },
]
