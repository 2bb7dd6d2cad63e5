import { z } from 'zod'
import type { DocumentedReply, DocumentedRoute } from '../faces/native-route.ts'
import { robotErrors } from './documents.ts'
import { hasRight, laterPrefix } from './later-rights.ts'
import { messages } from './messages.ts'
import { CreatedServiceDocument } from './service-document.ts'
import { TaskDocumentSchema } from './task-documents.ts'

const tag = 'Robot (ZeroRobot 0.6 to 0.9)'

const headers = {
  ZrobotSecret: '`Bearer` and the secrets of services, the god token or a token of the server',
  ZrobotAdmin: '`Bearer` and a token of the server',
  ZrobotUser: '`Bearer` and a token of the server',
}

const BlueprintResultDocument = z
  .object({ tasks: z.array(TaskDocumentSchema), services: z.array(CreatedServiceDocument) })
  .meta({ id: 'RobotBlueprintResult' })

/** What is answered otherwise than to the first clients. Source: robot contract, section 8. */
const differences: Readonly<Record<string, Readonly<Record<number, DocumentedReply>>>> = {
  'post /blueprints': { 200: { description: 'The scheduled tasks and the created services', schema: BlueprintResultDocument } },
  'post /services': {
    201: { description: 'Created; its secret is told here alone', schema: CreatedServiceDocument },
    ...robotErrors({
      404: 'There is no such template',
      409: `The name is taken; or, with the code 4090: ${messages.ambiguous('<name>')}`,
    }),
  },
}

/** The routes of the first clients in the words of later ones. */
export const laterDocuments = (documents: readonly DocumentedRoute[]): readonly DocumentedRoute[] =>
  documents.flatMap((document) => {
    const { method, path, answers } = document
    if (!hasRight(method, path)) return []
    return {
      ...document,
      path: `${laterPrefix}${path}`,
      tag,
      headers: { ...document.headers, ...headers },
      answers: { ...answers, ...differences[`${method} ${path}`] },
    }
  })
