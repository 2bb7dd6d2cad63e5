import { z } from 'zod'
import {
  type ClusterManagerRefusal,
  type ClusterManagerState,
  clusterManager,
  managerStream,
} from '../../commands/clusters/cluster-manager.ts'
import { openValue } from '../../commands/sealing.ts'
import { type ManagerOptions, managerSubject, managerTypes } from '../../events/clusters/manager.ts'
import { SecretForgotten } from '../../lib/errors.ts'
import { eventId } from '../../lib/ids.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { settle } from '../reading/event-position.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { type ClustersAnswers, clustersError, notFound, refusal } from './error-body.ts'
import { base } from './paths.ts'
import { readClustersBody } from './read-body.ts'
import { type ClustersTools, furtherContext, queriesOf, reads } from './tools.ts'
import { untilUnchanged } from './until-unchanged.ts'

export const ManagerBody = z
  .object({ type: z.enum(managerTypes).default('openshift'), options: anyJsonObject.optional() })
  .meta({ id: 'ClustersContainerManagerBody' })
type ManagerBody = z.output<typeof ManagerBody>

type Refusal = Exclude<ClusterManagerRefusal, { readonly reason: 'manager-changed' }>

const answers: ClustersAnswers<Refusal, string> = {
  'unknown-manager': (_, name) => notFound(`ContainerManager "${name}" does not exist.`),
  'manager-exists': clustersError(409, 'A ContainerManager with that name already exists.'),
}

/** Configurations of container managers. Source: clusters contract, rows 16 to 19. */
export const containerManagerRoutes = ({ ports, secrets }: ClustersTools): readonly FaceRoute[] => {
  const { executor } = ports
  const stateOf = async (name: string): Promise<ClusterManagerState> =>
    (await executor.load(clusterManager, managerStream(name))).state

  const get: FaceRoute['handle'] = async (c, { name = '' }) => {
    const found = queriesOf(c).managers.byName(name)
    if (found === undefined) return refusal(answers, { reason: 'unknown-manager' }, name)
    const { token } = found.options
    if (token === undefined) return json(found)
    const opened = await openValue(token, secrets).catch((error: unknown) => {
      if (error instanceof SecretForgotten) return null
      throw error
    })
    return json({ ...found, options: { ...found.options, token: opened } })
  }

  const configure = async (c: HttpContext, name: string, { type, options = {} }: ManagerBody) => {
    const context = requestContext(c)
    const { token } = options
    const subject = managerSubject(eventId(context.commandId, 0))
    const sealed = token === undefined ? undefined : await ports.seal(subject, token)
    const tokenDigest = token === undefined ? null : await secrets.digest(subject, JSON.stringify(token))
    const kept: ManagerOptions = sealed === undefined ? options : { ...options, token: sealed }
    return executor.execute(
      clusterManager,
      { type: 'ConfigureManager', name, manager: { type, options: kept, tokenDigest } },
      context,
    )
  }

  const confirm = async (c: HttpContext, name: string, { type, options = {} }: ManagerBody, known: ManagerOptions['token']) => {
    const { token, ...others } = options
    // Without a token of its own the known one is another in any case.
    const digest = known === undefined ? '' : await secrets.digest(known.subject, JSON.stringify(token ?? null))
    const manager = { type, options: others, tokenDigest: token === undefined ? null : digest }
    return executor.execute(clusterManager, { type: 'ConfirmManager', name, token: known?.$sealed, manager }, requestContext(c))
  }

  const put: FaceRoute['handle'] = async (c, { name = '' }) => {
    const body = await readClustersBody(c, ManagerBody)
    const outcome = await untilUnchanged(['manager-changed'], async () => {
      const state = await stateOf(name)
      return state.status === 'absent' ? configure(c, name, body) : confirm(c, name, body, state.manager.options.token)
    })
    if (outcome.refused !== undefined) return refusal(answers, outcome.refused, name)
    caused(c, { position: outcome.position })
    await settle(ports, outcome.position, reads)
    const { type, options = {} } = body
    const { state } = outcome
    const token = state.status === 'live' ? state.manager.options.token : undefined
    const answer = json({ name, type, options }, 201)
    return token === undefined ? answer : { ...answer, sealedFor: token.subject }
  }

  /** The token is forgotten first: where this breaks off, the next request finds the configuration and goes on. */
  const remove = async (c: HttpContext, name: string): Promise<Reply> => {
    const state = await stateOf(name)
    const token = state.status === 'live' ? state.manager.options.token : undefined
    if (token !== undefined) await ports.forget(token.subject, { events: 1, running: [] }, furtherContext(c, 'forget'))
    const outcome = await executor.execute(clusterManager, { type: 'RemoveManager', name }, requestContext(c))
    if (outcome.refused !== undefined) return refusal(answers, outcome.refused as Refusal, name)
    caused(c, { position: outcome.position })
    await settle(ports, outcome.position, reads)
    return json([])
  }

  return [
    { method: 'GET', path: `${base}/containermanagers`, reads, handle: (c) => json(queriesOf(c).managers.names()) },
    { method: 'GET', path: `${base}/containermanager/:name`, reads, handle: get },
    { method: 'PUT', path: `${base}/containermanager/:name`, reads, handle: put },
    { method: 'DELETE', path: `${base}/containermanager/:name`, reads, handle: (c, { name = '' }) => remove(c, name) },
  ]
}
