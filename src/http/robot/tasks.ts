import { z } from 'zod'
import { operation } from '../../commands/operation.ts'
import { planTask } from '../../commands/robot/plan-task.ts'
import { secretSubject } from '../../commands/robot/secret-members.ts'
import { deleteAction, updateDataAction } from '../../commands/robot/task.ts'
import { masked } from '../../events/sealed.ts'
import { instant } from '../../lib/clock.ts'
import type { JsonObject } from '../../lib/json.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import { createPace } from '../../lib/time-slice.ts'
import type { Known } from '../../projections/known.ts'
import { type RobotService, serviceQueries } from '../../projections/robot/services.ts'
import { acceptedTask, type TaskDocument, type TasksOfService, tasksOf } from '../../projections/robot/tasks.ts'
import { templateQueries } from '../../projections/robot/templates.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { settle } from '../reading/event-position.ts'
import { waitForOperation } from '../reading/operation-wait.ts'
import { json, jsonList } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { robotError } from './error-body.ts'
import { messages } from './messages.ts'
import { readRobotBody } from './read-body.ts'
import type { RobotTools } from './tools.ts'

/** How long the answer to a cancellation waits for the program to end: it has 5 s from its first signal to its last. */
const cancelWaitMs = 10_000
const tasksPerTurn = 100

export const TaskCreateBody = z.object({ action_name: z.string(), args: anyJsonObject.nullish() }).meta({ id: 'RobotTaskCreate' })

/** Actions and tasks of services. Source: robot contract, rows 10 to 14. */
export const taskRoutes = (tools: RobotTools): readonly FaceRoute[] => {
  const { ports, mount } = tools
  const reads = ['robot-services', 'robot-templates', ...ports.operations.reads]

  const queriesOf = (known: Known) => ({
    services: serviceQueries(known.views('robot-services')),
    templates: templateQueries(known.views('robot-templates')),
    operations: ports.operations(known),
  })

  /** A handler of something of a service; 404 where there is no such service. */
  const ofService =
    (handle: (c: HttpContext, service: RobotService, params: Params) => Reply | Promise<Reply>): FaceRoute['handle'] =>
    (c, params) => {
      const { service_guid: guid = '' } = params
      const service = queriesOf(c.known).services.byGuid(guid)
      return service === undefined ? robotError(404, { message: messages.serviceNotFound(guid) }) : handle(c, service, params)
    }

  const tasks = (c: HttpContext, service: RobotService): TasksOfService => tasksOf(queriesOf(c.known), service, mount.profile)

  const actions = (c: HttpContext, { templateUid, commit }: RobotService): Reply => {
    const { manifest } = queriesOf(c.known).templates.bound(templateUid, commit) ?? {}
    const names = [...Object.keys(manifest?.actions ?? {}), ...shownBuiltIns].sort()
    return json(names.map((name) => ({ name })))
  }

  /** Long lists take several turns of the event loop, in between which tasks may end. */
  const list = async (c: HttpContext, service: RobotService): Promise<Reply> => {
    const { document, queue, ended } = tasks(c, service)
    const pace = createPace(ports.clock)
    const texts = new Map<string, string>()
    let looked = 0
    const show = async (ids: Iterable<string>, isWanted: (task: TaskDocument) => boolean): Promise<void> => {
      for (const id of ids) {
        const task = texts.has(id) ? undefined : document(id)
        if (task !== undefined && isWanted(task)) texts.set(id, JSON.stringify(task))
        if (++looked % tasksPerTurn === 0) await pace.rest()
      }
    }
    await show(queue(), ({ duration }) => duration === undefined)
    if (isTrue(new URLSearchParams(c.query).get('all'))) await show(ended(), () => true)
    return jsonList([...texts.values()])
  }

  const add: FaceRoute['handle'] = async (c, params) => {
    const { action_name: action, args } = await readRobotBody(c, TaskCreateBody)
    return ofService(async (_c, service) => {
      const { manifest } = queriesOf(c.known).templates.bound(service.templateUid, service.commit) ?? {}
      if (manifest === undefined) return robotError(400, { message: messages.templateNotFound(service.templateUid) })
      const seal = (value: JsonObject[string]) => ports.seal(secretSubject(service.guid), value ?? null)
      const planned = await planTask(service, manifest, { action, args: args ?? {} }, seal)
      if (planned.refused !== undefined) return robotError(400, { message: planned.refused.message })
      const submitted = await ports.submit(planned.request, requestContext(c), { internal: true })
      if (submitted.refused !== undefined) throw new Error(`${planned.request.kind} was refused: ${submitted.refused.reason}`)
      const { operationId: id, position } = submitted
      caused(c, submitted)
      await settle(ports, position, reads)
      const location = `${mount.prefix}/services/${service.guid}/task_list/${id}`
      // Views that are far behind do not know it yet.
      const begun = { id, input: masked(planned.request.input), requestedAt: instant(ports.clock.now()) }
      return json(tasks(c, service).accepted(id) ?? acceptedTask(begun, service), 201, { Location: location })
    })(c, params)
  }

  const show = (c: HttpContext, service: RobotService, { task_guid: guid = '' }: Params): Reply => {
    const task = tasks(c, service).document(guid)
    return task === undefined ? robotError(404, { message: messages.taskNotFound(guid) }) : json(task)
  }

  /** A program that has succeeded before the signal is no error, and what has ended stays as it is. */
  const cancel = async (c: HttpContext, service: RobotService, { task_guid: id = '' }: Params): Promise<Reply> => {
    if (tasks(c, service).document(id) === undefined) return robotError(404, { message: messages.taskNotFound(id) })
    const outcome = await ports.executor.execute(operation, { type: 'CancelOperation', id, reason: null }, requestContext(c))
    if (outcome.refused === undefined) {
      caused(c, { position: outcome.position })
      await waitForOperation(c, tools, { id, timeoutMs: cancelWaitMs })
    }
    return { status: 204, headers: {}, body: null }
  }

  return [
    { method: 'GET', path: '/services/:service_guid/actions', reads, handle: ofService(actions) },
    { method: 'GET', path: '/services/:service_guid/task_list', reads, handle: ofService(list) },
    { method: 'POST', path: '/services/:service_guid/task_list', reads, handle: add },
    { method: 'GET', path: '/services/:service_guid/task_list/:task_guid', reads, handle: ofService(show) },
    { method: 'DELETE', path: '/services/:service_guid/task_list/:task_guid', reads, handle: ofService(cancel) },
  ]
}

type Params = Readonly<Record<string, string>>

/** `save` is accepted, and not shown. Source: robot contract, section 6.3. */
const shownBuiltIns = [deleteAction, updateDataAction]

/** Source: robot contract, section 3.4. */
const isTrue = (text: string | null): boolean => ['1', 'true', 'yes', 'y'].includes((text ?? '').trim().toLowerCase())
