import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { type WebhookCommand, type WebhookRefusal, webhook, webhookStream } from '../../commands/webhook.ts'
import { derivedId } from '../../lib/ids.ts'
import type { Known } from '../../projections/known.ts'
import type { Position } from '../../stores/event-log.ts'
import { headerOf } from '../faces/arrival.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import { parsePosition } from '../reading/event-position.ts'
import { type Answers, answerTo } from '../replies/answers.ts'
import { pinnedRevision, versionMismatch } from '../replies/entity-tags.ts'
import { json } from '../replies/json.ts'
import { Problem } from '../replies/problem.ts'
import { problems } from './schemas.ts'
import {
  CreatedWebhookDocument,
  CreateWebhookBody,
  ParkedEventDocument,
  ReplaceWebhookBody,
  WebhookDocument,
  webhookExample,
} from './webhook-schemas.ts'
import { unknownWebhook, webhookParams, webhookReads, webhooksOf, writtenWebhook } from './webhooks.ts'

/** Standard Webhooks asks for 24 to 64 bytes. */
const secretBytes = 32
const mostWebhooks = 1_000

const ifMatch = { 'If-Match': 'ETag that the client read; 412 if the webhook has changed' }
const missing = { 404: 'There is no such webhook' }
const changed = { 412: 'It is at a different revision' }

/** A position to begin behind, as a client names it. */
const beginning = async ({ log }: HttpPorts, from: string): Promise<Position> => {
  const head = await log.head()
  if (from === 'head') return head
  const position = await parsePosition({ log }, from, '/from')
  if (position <= head) return position
  throw new Problem('invalid', '/from is after the end of the log', { errors: [{ pointer: '/from', message: 'after the end' }] })
}

/** Whose the secret of a webhook is: a new one for each creation, so that a deleted webhook's can be forgotten. */
const subjectOf = (commandId: string): string => `webhook-${commandId}`

const sealedSecret = (ports: HttpPorts, commandId: string, secret: string) => ports.seal(subjectOf(commandId), secret)

interface Target {
  readonly c: HttpContext
  readonly ports: HttpPorts
  readonly known: Known
}

/** Carries out a command at the revision that the client pinned; throws the problem of a refusal. */
const carriedOut = async (
  { c, ports, known }: Target,
  command: WebhookCommand,
  id = '',
): Promise<{ readonly position: Position | null }> => {
  const header = headerOf(c, 'if-match')
  const pinned = pinnedRevision(header, webhooksOf(known).byName(command.name)?.revision)
  const pin = pinned === undefined ? {} : { pinnedRevision: pinned }
  const outcome = await ports.executor.execute(webhook, command, requestContext(c), pin)
  if (outcome.refused === undefined) return outcome
  throw answerTo(answers, outcome.refused, { name: command.name, id, ifMatch: header })
}

/** What an answer to a refusal names of the request. */
interface Asked {
  readonly name: string
  readonly id: string
  readonly ifMatch: string | undefined
}
type VersionMismatch = { readonly reason: 'version-mismatch'; readonly expected: number; readonly actual: number }

const unknownParked = ({ name, id }: Pick<Asked, 'name' | 'id'>): Problem =>
  new Problem('not-found', `the webhook ${name} has no parked event ${id}`)

const answers: Answers<WebhookRefusal | VersionMismatch, Problem, Asked> = {
  exists: (_refused, { name }) => new Problem('exists', `there is a webhook ${name} already`),
  'unknown-webhook': (_refused, { name }) => unknownWebhook(name),
  'unknown-parked': (_refused, asked) => unknownParked(asked),
  'version-mismatch': ({ actual }, { ifMatch = '' }) => versionMismatch(ifMatch, actual),
}

const createWebhook = nativeRoute({
  method: 'post',
  path: '/v1/webhooks',
  reads: webhookReads,
  summary: 'Create a webhook',
  description:
    'Sends events of the log as CloudEvents, signed as Standard Webhooks says, at least once and in the order of each stream. Events of webhooks themselves are not sent.',
  tag: 'webhooks',
  scope: 'v1:write',
  body: CreateWebhookBody,
  examples: {
    'Ended operations': {
      name: 'orders',
      url: 'https://example.com/hooks',
      filter: { type: ['OperationSucceeded', 'OperationFailed'] },
    },
    'The whole history': {
      name: 'copy',
      url: 'https://example.com/all',
      from: '0',
      secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    },
  },
  answers: {
    201: {
      description: '`Location` names it',
      schema: CreatedWebhookDocument,
      example: { ...webhookExample, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
    },
    ...problems({ 409: 'The name is taken, or the same Idempotency-Key is being processed' }),
  },
  handle: async ({ c, ports, known, body }) => {
    const { name, url, filter, active, from } = body
    if (webhooksOf(known).count() >= mostWebhooks) throw new Problem('invalid', `there are ${mostWebhooks} webhooks already`)
    const { commandId } = requestContext(c)
    const clear = body.secret ?? `whsec_${randomBytes(secretBytes).toString('base64')}`
    const secret = await sealedSecret(ports, commandId, clear)
    const settings = { name, url, filter, active }
    let { position } = await carriedOut(
      { c, ports, known },
      { type: 'CreateWebhook', ...settings, secret, run: commandId, from: await beginning(ports, from) },
    )
    // Recorded before a crash with a secret that nobody was told: it gets this one.
    if (position === null && body.secret === undefined) {
      const context = { ...requestContext(c), commandId: derivedId('secret', commandId, clear) }
      const again = { type: 'ReplaceWebhook', ...settings, secret, begin: undefined } as const
      const outcome = await ports.executor.execute(webhook, again, context)
      if (outcome.refused === undefined) position = outcome.position
    }
    const { shown } = await writtenWebhook(c, ports, known, { name, position, status: 201 })
    const headers = { Location: `/v1/webhooks/${encodeURIComponent(name)}`, 'Cache-Control': 'no-store' }
    if (body.secret !== undefined) return json(shown, 201, headers)
    return { ...json({ ...shown, secret: clear }, 201, headers), sealedFor: subjectOf(commandId) }
  },
})

const replaceWebhook = nativeRoute({
  method: 'put',
  path: '/v1/webhooks/{name}',
  reads: webhookReads,
  summary: 'Replace the settings of a webhook',
  description: 'Without `secret` it keeps its secret, without `from` its position. What failed is tried again at once.',
  tag: 'webhooks',
  scope: 'v1:write',
  params: webhookParams,
  headers: ifMatch,
  body: ReplaceWebhookBody,
  examples: { 'Another address': { url: 'https://example.com/other' } },
  answers: { 200: { description: 'The webhook', schema: WebhookDocument }, ...problems({ ...missing, ...changed }) },
  handle: async ({ c, ports, known, params: { name = '' }, body }) => {
    if (body.name !== undefined && body.name !== name) {
      const errors = [{ pointer: '/name', message: 'the name in the path' }]
      throw new Problem('invalid', 'a webhook cannot be renamed', { errors })
    }
    const { url, filter, active, from } = body
    const { commandId } = requestContext(c)
    const { state } = await ports.executor.load(webhook, webhookStream(name))
    if (state.status === 'absent') throw unknownWebhook(name)
    const secret = body.secret === undefined ? undefined : await ports.seal(state.secret.subject, body.secret)
    const begin = from === undefined ? undefined : { run: commandId, from: await beginning(ports, from) }
    const { position } = await carriedOut(
      { c, ports, known },
      { type: 'ReplaceWebhook', name, url, filter, active, secret, begin },
    )
    return (await writtenWebhook(c, ports, known, { name, position, status: 200 })).reply
  },
})

const deleteWebhook = nativeRoute({
  method: 'delete',
  path: '/v1/webhooks/{name}',
  reads: webhookReads,
  summary: 'Delete a webhook',
  description: 'Its secret is forgotten, and its name is free again.',
  tag: 'webhooks',
  scope: 'v1:write',
  params: webhookParams,
  headers: ifMatch,
  answers: { 204: { description: 'It is deleted' }, ...problems({ ...missing, ...changed }) },
  handle: async ({ c, ports, known, params: { name = '' } }) => {
    const { state } = await ports.executor.load(webhook, webhookStream(name))
    const { position } = await carriedOut({ c, ports, known }, { type: 'DeleteWebhook', name })
    await ports.projections.reached(position ?? (await ports.log.head()), { names: webhookReads, timeoutMs: 2_000 })
    if (state.status === 'live') {
      const context = requestContext(c)
      const use = { events: 1, running: [] }
      await ports.forget(state.secret.subject, use, { ...context, commandId: derivedId('forget', context.commandId) })
    }
    caused(c, { position: position ?? (await ports.log.head()) })
    return { status: 204, headers: {}, body: null }
  },
})

const switching = (
  word: 'pause' | 'resume',
  summary: string,
  commandOf: (name: string, principal: string) => WebhookCommand,
): NativeRoute =>
  nativeRoute({
    method: 'post',
    path: `/v1/webhooks/{name}/${word}`,
    reads: webhookReads,
    summary,
    tag: 'webhooks',
    scope: 'v1:write',
    params: webhookParams,
    headers: ifMatch,
    body: z.strictObject({}).meta({ id: word === 'pause' ? 'PauseWebhookRequest' : 'ResumeWebhookRequest' }),
    optionalBody: true,
    examples: { 'No more is needed': {} },
    answers: {
      200: { description: 'The webhook, also where nothing changed', schema: WebhookDocument },
      ...problems({ ...missing, 409: 'Its secret was forgotten, or the same Idempotency-Key is being processed', ...changed }),
    },
    handle: async ({ c, ports, known, params: { name = '' } }) => {
      const { state } = await ports.executor.load(webhook, webhookStream(name))
      // What cannot be signed any more is not begun again.
      if (word === 'resume' && state.status === 'live') await ports.unseal(state.secret)
      const { position } = await carriedOut({ c, ports, known }, commandOf(name, c.principal.name))
      return (await writtenWebhook(c, ports, known, { name, position, status: 200 })).reply
    },
  })

const pauseWebhook = switching('pause', 'Pause a webhook', (name, principal) => ({
  type: 'PauseWebhook',
  name,
  because: `paused by ${principal}`,
}))

const resumeWebhook = switching('resume', 'Go on with a webhook', (name) => ({ type: 'ResumeWebhook', name }))

const parkedCommand = (
  word: 'redrive' | 'discard',
  summary: string,
  commandOf: (name: string, id: string) => WebhookCommand,
): NativeRoute =>
  nativeRoute({
    method: 'post',
    path: `/v1/webhooks/{name}/parked/{id}/${word}`,
    reads: webhookReads,
    summary,
    tag: 'webhooks',
    scope: 'v1:write',
    params: { ...webhookParams, id: '01a1feb0-1fd7-83b1-a108-4b257b40f451' },
    body: z.strictObject({}).meta({ id: word === 'redrive' ? 'RedriveRequest' : 'DiscardRequest' }),
    optionalBody: true,
    examples: { 'No more is needed': {} },
    answers: {
      202: { description: 'The event, which is not parked any more', schema: ParkedEventDocument },
      ...problems({ 404: 'There is no such webhook, or no such event is parked there' }),
    },
    handle: async ({ c, ports, known, params: { name = '', id = '' } }) => {
      await ports.projections.reached(await ports.log.head(), { names: webhookReads, timeoutMs: 2_000 })
      const event = webhooksOf(known).parkedById(name, id)
      const { position } = await carriedOut({ c, ports, known }, commandOf(name, id), id)
      if (event === undefined) throw unknownParked({ name, id })
      const end = position ?? (await ports.log.head())
      await ports.projections.reached(end, { names: webhookReads, timeoutMs: 2_000 })
      caused(c, { position: end })
      return json(event, 202)
    },
  })

const redriveEvent = parkedCommand('redrive', 'Try a parked event again', (name, id) => ({ type: 'RedriveEvent', name, id }))
const discardEvent = parkedCommand('discard', 'Give a parked event up for ever', (name, id) => ({
  type: 'DiscardEvent',
  name,
  id,
}))

/** Writes to webhooks. Source: native contract, section 12. */
export const webhookCommandRoutes: readonly NativeRoute[] = [
  createWebhook,
  replaceWebhook,
  deleteWebhook,
  pauseWebhook,
  resumeWebhook,
  redriveEvent,
  discardEvent,
]
