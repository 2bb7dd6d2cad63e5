import { z } from 'zod'
import type { DocumentedReply, DocumentedRoute } from '../faces/native-route.ts'
import { problems } from '../v1/schemas.ts'
import { messages } from './messages.ts'
import { TemplateRepositoryBody } from './templates.ts'

/** What the documents of all rooms of this face share. */
export const robotTag = 'Robot (ZeroRobot)'

const ErrorDocument = z
  .object({ code: z.number().int(), message: z.string(), stack_trace: z.string().optional() })
  .meta({ id: 'RobotError' })

/** Answers with the error body, by status. */
export const robotErrors = (statuses: Readonly<Record<number, string>>): Record<string, DocumentedReply> =>
  Object.fromEntries(Object.entries(statuses).map(([status, description]) => [status, { description, schema: ErrorDocument }]))

/** What any route of this face may answer, beside its own. */
export const usualErrors = (scope: 'robot:read' | 'robot:write'): Record<string, DocumentedReply> => ({
  ...robotErrors({
    400: 'A header or the moment that is asked for is malformed',
    401: messages.unauthorized,
    403: `The scope ${scope} is missing, or a foreign page asked`,
    421: 'The server without credentials was reached under a name that is not its own',
    500: messages.internal,
    503: 'The server starts or goes down, or the views of the moment are not there yet',
  }),
  ...problems({ 431: 'The headers are too large' }),
})

/** What any route that changes something may answer besides. */
export const usualWriteErrors = (): Record<string, DocumentedReply> => ({
  ...usualErrors('robot:write'),
  ...robotErrors({
    400: messages.badBody,
    408: 'The body took too long to arrive',
    409: 'The same Idempotency-Key is being processed right now',
    413: 'The body is too large',
    422: 'The Idempotency-Key was used for a different request',
    503: 'The server starts or goes down, or the operation that the message names is not finished yet',
  }),
})

export const pastHeader = { 'As-Of': 'The moment to answer as of: a position, a time (RFC 3339) or the id of an event' }
export const keyHeader = {
  'Idempotency-Key': '1 to 255 visible characters; the same request with the same key is answered once and again',
}

const TemplateDocument = z
  .object({
    uid: z.string(),
    host: z.string(),
    account: z.string(),
    repository: z.string(),
    name: z.string(),
    version: z.string(),
  })
  .meta({
    id: 'RobotTemplate',
    example: {
      uid: 'git.example.org/acme/templates/vm/1.0.0',
      ...{ host: 'git.example.org', account: 'acme', repository: 'templates', name: 'vm', version: '1.0.0' },
    },
  })

const aRepository = { 'A repository on this machine': { url: 'http://127.0.0.1:8000/acme/templates.git', branch: 'main' } }
const gitFailure = `git failed: its words are in stack_trace; or: ${messages.gitMissing}`

/** Source: robot contract, rows 2 to 4. */
export const templateDocuments: readonly DocumentedRoute[] = [
  {
    method: 'get',
    path: '/templates',
    summary: 'Loaded templates',
    tag: robotTag,
    headers: pastHeader,
    answers: { ...usualErrors('robot:read'), 200: { description: 'Every template', schema: z.array(TemplateDocument) } },
  },
  {
    method: 'post',
    path: '/templates',
    summary: 'Clone a repository and load its templates',
    description: 'Answers when they are loaded, within 120 s. Without a branch: master, or the branch that HEAD names.',
    tag: robotTag,
    headers: keyHeader,
    body: TemplateRepositoryBody,
    examples: aRepository,
    answers: {
      ...usualWriteErrors(),
      201: { description: 'The templates of the repository at that revision', schema: z.array(TemplateDocument) },
      ...robotErrors({ 400: `${messages.badBody}, or what is wrong with the repository: file, key and reason`, 500: gitFailure }),
    },
  },
  {
    method: 'put',
    path: '/templates',
    summary: 'Fetch a repository and upgrade the services of its templates',
    description: 'Answers when they are upgraded, within 300 s. The branch may be a tag or a commit.',
    tag: robotTag,
    headers: keyHeader,
    body: TemplateRepositoryBody,
    examples: aRepository,
    answers: {
      ...usualWriteErrors(),
      204: { description: 'Upgraded' },
      ...robotErrors({
        400: `${messages.badBody}, or what is wrong with the repository: file, key and reason`,
        404: 'The repository is not cloned yet',
        500: gitFailure,
      }),
    },
  },
]
