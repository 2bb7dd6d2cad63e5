import { z } from 'zod'
import { type GitUrl, isRevisionName, parseGitUrl } from '../../commands/robot/git-url.ts'
import type { UpgradeOutcome } from '../../commands/robot/lifecycle.ts'
import { type CloneInput, type CloneOutcome, cloneKind, repositoryLane } from '../../commands/robot/template.ts'
import { parseTemplateReference, type TemplateUid } from '../../commands/robot/template-uid.ts'
import { sealingSubject } from '../../events/sealed.ts'
import type { JsonValue } from '../../lib/json.ts'
import type { OperationResource } from '../../projections/operations/operation-resource.ts'
import { templateQueries } from '../../projections/robot/templates.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { json } from '../replies/json.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { awaitFirstAttempt, awaitOperation } from './await-operation.ts'
import { robotError } from './error-body.ts'
import { operationFailed } from './failed-operation.ts'
import { messages } from './messages.ts'
import { readRobotBody } from './read-body.ts'
import type { RobotTools } from './tools.ts'

const view = 'robot-templates'
const cloneWaitMs = 120_000
const upgradeWaitMs = 300_000

/** A template repository as requests name it. Source: robot contract, section 3.1. */
export const TemplateRepositoryBody = z
  .object({
    url: z.string().refine((url) => parseGitUrl(url) !== undefined, 'an address of a repository over http, https or ssh'),
    branch: z
      .string()
      .refine((name) => name === '' || isRevisionName(name), 'the name of a branch, tag or commit')
      .nullish(),
  })
  .meta({ id: 'RobotTemplateRepository' })

/** `/templates`. Source: robot contract, rows 2 to 4. */
export const templateRoutes = (tools: RobotTools): readonly FaceRoute[] => {
  const { ports } = tools
  const reads = [view, ...ports.operations.reads]

  const clone = async (c: HttpContext, { url, branch }: Asked, upgrade: boolean): Promise<string> => {
    const input: CloneInput = {
      repository: {
        ...{ key: url.key, remote: withoutUserInfo(url), host: url.host, account: url.account, repository: url.repository },
        userInfo: url.userInfo === undefined ? null : await ports.seal(sealingSubject(requestContext(c).commandId), url.userInfo),
      },
      revision: branch,
      upgrade,
    }
    const submitted = await ports.submit(
      { kind: cloneKind, input: input as unknown as JsonValue, lane: repositoryLane(url.key) },
      requestContext(c),
      { internal: true },
    )
    if (submitted.refused !== undefined) throw new Error(`${cloneKind} was refused: ${submitted.refused.reason}`)
    caused(c, submitted)
    return submitted.operationId
  }

  const add = async (c: HttpContext): Promise<Reply> => {
    const asked = await readAsked(c)
    const id = await clone(c, asked, false)
    const { ended, over } = await awaitOperation(c, tools, { id, timeoutMs: cloneWaitMs })
    if (over !== undefined) return over
    return ended.state === 'succeeded' ? json(templatesOf(ended), 201) : failed(ended, asked.url.key)
  }

  const upgrade = async (c: HttpContext): Promise<Reply> => {
    const asked = await readAsked(c).catch((error: unknown) => {
      if (error instanceof Problem && error.slug === 'invalid') return undefined
      throw error
    })
    if (asked === undefined) return robotError(400, { message: messages.badBody, errors: messages.badBody })
    const { key } = asked.url
    if (templateQueries(c.known.views(view)).repository(key) === undefined)
      return robotError(404, { message: `the repository ${key} is not cloned yet` })
    const until = ports.clock.monotonic() + upgradeWaitMs
    const leftMs = (): number => Math.max(0, until - ports.clock.monotonic())
    const id = await clone(c, asked, true)
    const { ended, over } = await awaitOperation(c, tools, { id, timeoutMs: leftMs() })
    if (over !== undefined) return over
    if (ended.state !== 'succeeded') return failed(ended, key)
    for (const one of outcomeOf(ended).upgrades) {
      const upgraded = await awaitOperation(c, tools, { id: one, timeoutMs: leftMs() })
      if (upgraded.over !== undefined) return upgraded.over
      const { validation = null } = (upgraded.ended.result ?? {}) as Partial<UpgradeOutcome>
      const validating = validation && (await awaitFirstAttempt(c, tools, { id: validation, timeoutMs: leftMs() }))
      if (validating) return validating
    }
    return { status: 204, headers: {}, body: null }
  }

  return [
    {
      method: 'GET',
      path: '/templates',
      reads: [view],
      handle: (c) => json(templateQueries(c.known.views(view)).all()),
    },
    { method: 'POST', path: '/templates', reads, handle: add },
    { method: 'PUT', path: '/templates', reads, handle: upgrade },
  ]
}

interface Asked {
  readonly url: GitUrl
  readonly branch: string | null
}

/** A branch that is named beside the url wins over the one in its fragment. */
const readAsked = async (c: HttpContext): Promise<Asked> => {
  const { url: text, branch } = await readRobotBody(c, TemplateRepositoryBody, messages.badBody)
  const url = parseGitUrl(text) as GitUrl
  return { url, branch: branch || (url.branch ?? null) }
}

const withoutUserInfo = ({ remote, userInfo }: GitUrl): string =>
  userInfo === undefined ? remote : remote.replace(/^(https?:\/\/)[^/@]*@/i, '$1')

const outcomeOf = ({ result }: OperationResource): CloneOutcome => result as unknown as CloneOutcome

const templatesOf = (operation: OperationResource) =>
  outcomeOf(operation).templates.map(({ uid }) => {
    const { host, account, repository, name, version } = parseTemplateReference(uid) as TemplateUid
    return { uid, host, account, repository, name, version }
  })

/** Types of failures that the repository itself is to blame for. */
const refusals = ['manifest-invalid', 'no-templates', 'repository-refused']

/** Source: robot contract, section 3.2. */
const failed = (operation: OperationResource, key: string): Reply => {
  const { error } = operation
  return error !== null && refusals.includes(error.type)
    ? robotError(400, { message: error.message })
    : operationFailed(operation, `the clone of ${key}`)
}
