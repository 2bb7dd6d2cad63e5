import { z } from 'zod'
import {
  type BlueprintFailure,
  type BlueprintInput,
  type BlueprintOutcome,
  blueprintKind,
} from '../../commands/robot/blueprint.ts'
import { parseBlueprint } from '../../commands/robot/blueprint-grammar.ts'
import { type BlueprintPlan, type BlueprintWorld, type PlannedTask, planBlueprint } from '../../commands/robot/plan-blueprint.ts'
import { planTask } from '../../commands/robot/plan-task.ts'
import { type Seal, sealMembers, secretSubject } from '../../commands/robot/secret-members.ts'
import type { ActionInput } from '../../commands/robot/task.ts'
import { sealingSubject } from '../../events/sealed.ts'
import { foundOnce } from '../../lib/found-once.ts'
import { newId } from '../../lib/ids.ts'
import { inParallel } from '../../lib/in-parallel.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import { createPace } from '../../lib/time-slice.ts'
import type { Known } from '../../projections/known.ts'
import type { OperationResource } from '../../projections/operations/operation-resource.ts'
import { serviceQueries } from '../../projections/robot/services.ts'
import { tasksOf } from '../../projections/robot/tasks.ts'
import { boundManifests, templateQueries } from '../../projections/robot/templates.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { settle } from '../reading/event-position.ts'
import { jsonText } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { awaitOperation } from './await-operation.ts'
import { blueprintRefused } from './blueprint-answers.ts'
import type { Caller } from './callers.ts'
import { unauthorized } from './error-body.ts'
import { operationFailed } from './failed-operation.ts'
import { messages } from './messages.ts'
import { readRobotBody } from './read-body.ts'
import { createdDocument } from './service-document.ts'
import type { RobotTools } from './tools.ts'

const waitMs = 120_000

export const BlueprintBody = z.object({ content: anyJsonObject }).meta({ id: 'RobotBlueprint' })

/** `/blueprints`. Source: robot contract, section 5. */
export const blueprintRoutes = (tools: RobotTools): readonly FaceRoute[] => {
  const { ports, mount, caller } = tools
  const reads = ['robot-services', 'robot-templates', ...ports.operations.reads]

  const execute = async (c: HttpContext): Promise<Reply> => {
    const { content } = await readRobotBody(c, BlueprintBody)
    const { blueprint, refused: fault } = parseBlueprint(content)
    if (fault !== undefined) return blueprintRefused(fault, mount)
    const world = worldOf(c)
    const { plan, refused } = await planBlueprint(blueprint, world)
    if (refused !== undefined) return blueprintRefused(refused, mount)
    if (!mayUseAll(c, plan, await caller(c))) return unauthorized(messages.noRights)
    const submitted = await ports.submit(
      { kind: blueprintKind, input: (await recorded(plan, world)) as unknown as JsonValue },
      requestContext(c),
      { internal: true },
    )
    if (submitted.refused !== undefined) throw new Error(`${blueprintKind} was refused: ${submitted.refused.reason}`)
    caused(c, submitted)
    return await answered(c, submitted.operationId)
  }

  /** What the blueprint creates belongs to whoever sent it. Source: robot contract, section 8. */
  const mayUseAll = (c: HttpContext, { creations, updates, tasks }: BlueprintPlan, { mayUse }: Caller): boolean => {
    const { services } = queriesOf(c.known)
    const others = new Set([...updates, ...tasks].map(({ service }) => service.guid))
    for (const { service } of creations) others.delete(service.guid)
    return [...others].every((guid) => mayUse(services.byGuid(guid) ?? { guid, public: false }))
  }

  const worldOf = (c: HttpContext): BlueprintWorld => {
    const { services, templates } = queriesOf(c.known)
    const pace = createPace(ports.clock)
    const resolve = foundOnce((key) => templates.resolve(JSON.parse(key)))
    return {
      resolve: (reference) => resolve(JSON.stringify(reference)),
      named: services.bindings,
      all: services.bindings,
      manifestOf: boundManifests(templates),
      newId,
      rest: async () => {
        if (pace.enough()) await pace.rest()
      },
    }
  }

  const queriesOf = (known: Known) => ({
    services: serviceQueries(known.views('robot-services')),
    templates: templateQueries(known.views('robot-templates')),
    operations: ports.operations(known),
  })

  /** What is put into the log: secrets are sealed for the service that they are given to. */
  const recorded = async ({ creations, updates, tasks }: BlueprintPlan, world: BlueprintWorld): Promise<BlueprintInput> => {
    const sealFor =
      (guid: string): Seal =>
      (value) =>
        ports.seal(secretSubject(guid), value)

    const taskOf = async ({ id, service, action, args, priority }: PlannedTask): Promise<BlueprintInput['tasks'][number]> => {
      const { request, refused } = await planTask(service, world.manifestOf(service), { action, args }, sealFor(service.guid))
      if (refused !== undefined) throw new Error(`${action} was taken, and then refused: ${refused.message}`)
      await world.rest()
      return { id, service: service.guid, action, args: (request.input as unknown as ActionInput).args, priority }
    }

    return {
      services: await inParallel(creations, 1, async ({ service: { guid, name, templateUid, commit }, data, given }) => {
        const { schema } = world.manifestOf({ templateUid, commit })
        const sealed = await sealMembers(schema as JsonObject | undefined, data, sealFor(guid))
        return {
          guid,
          create: { name, templateUid, commit, data: sealed, public: false, origin: 'blueprint' as const },
          given: [...given],
        }
      }),
      updates: await inParallel(updates, 1, taskOf),
      tasks: await inParallel(tasks, 1, taskOf),
    }
  }

  const answered = async (c: HttpContext, id: string): Promise<Reply> => {
    const until = ports.clock.monotonic() + waitMs
    const leftMs = (): number => Math.max(0, until - ports.clock.monotonic())
    const { ended, over } = await awaitOperation(c, tools, { id, timeoutMs: leftMs() })
    if (over !== undefined) return over
    await settle(ports, ended.position, reads)
    if (ended.state === 'succeeded') return carriedOut(c, id, ended.result as unknown as BlueprintOutcome)
    const failure = failureOf(ended)
    if (failure === undefined) return operationFailed(ended, 'the blueprint')
    for (const deletion of failure.deletions) {
      const deleted = await awaitOperation(c, tools, { id: deletion, timeoutMs: leftMs() })
      if (deleted.over !== undefined) return deleted.over
    }
    return blueprintRefused(failure.refusal, mount)
  }

  const carriedOut = async (c: HttpContext, id: string, outcome: BlueprintOutcome): Promise<Reply> => {
    const queries = queriesOf(c.known)
    const serviceOf = foundOnce(queries.services.byGuid)
    const tasks = await texts(outcome.tasks, async ({ id: task, service: guid }) => {
      const service = serviceOf(guid)
      return service && tasksOf(queries, service, mount.profile).accepted(task)
    })
    if (mount.profile === 'seed') return jsonText(tasks)
    const by = await caller(c)
    const services = await texts(outcome.services, async (guid) => {
      const service = serviceOf(guid)
      return service && (await createdDocument(service, by, tools)).document
    })
    // Secrets of services are in it.
    return { ...jsonText(`{"tasks":${tasks},"services":${services}}`), sealedFor: sealingSubject(id) }
  }

  /** A list as JSON, without what is not there any more. */
  const texts = async <Item>(items: readonly Item[], document: (item: Item) => Promise<object | undefined>): Promise<string> => {
    const pace = createPace(ports.clock)
    const found = await inParallel(items, 1, async (item) => {
      if (pace.enough()) await pace.rest()
      const shown = await document(item)
      return shown === undefined ? [] : [JSON.stringify(shown)]
    })
    return `[${found.flat().join(',')}]`
  }

  return [{ method: 'POST', path: '/blueprints', reads, handle: execute }]
}

const failureOf = ({ state, error }: OperationResource): BlueprintFailure | undefined =>
  state === 'failed' && error?.type === 'blueprint-refused' ? (error.details as unknown as BlueprintFailure) : undefined
