import type { JsonObject } from '../../lib/json.ts'
import type { Blueprint, BlueprintAction, BlueprintService } from './blueprint-grammar.ts'
import type { TemplateManifest } from './manifest.ts'
import { type DataRefusal, planData, type ResolveTemplate, type TemplateRefusal } from './plan-service.ts'
import { faultOfTask, type TaskRefusal } from './plan-task.ts'
import { priorities, updateDataAction } from './task.ts'
import type { BoundTemplate, LoadedTemplate, ServiceBinding } from './template.ts'
import { compareTemplateVersions, parseTemplateReference, type TemplateReference, type TemplateUid } from './template-uid.ts'

/** What a blueprint meets. Services are those that nobody deletes, in the order of their creation. */
export interface BlueprintWorld {
  readonly resolve: ResolveTemplate
  named(name: string): readonly ServiceBinding[]
  all(): readonly ServiceBinding[]
  /** What a service is bound to. */
  manifestOf(service: BoundTemplate): TemplateManifest
  newId(): string
  /** Lets others have their turn on the event loop. */
  rest(): Promise<void>
}

/** A service that is to be created. */
export interface PlannedCreation {
  readonly service: ServiceBinding
  /** With what the schema of its template has filled in. */
  readonly data: JsonObject
  /** The members that the blueprint names. */
  readonly given: readonly string[]
}

export interface PlannedTask {
  readonly id: string
  readonly service: ServiceBinding
  readonly action: string
  readonly args: JsonObject
  readonly priority: number
}

/** What a blueprint comes to. */
export interface BlueprintPlan {
  readonly creations: readonly PlannedCreation[]
  /** Proposals to services that are described and are there already; they are not in the answer. */
  readonly updates: readonly PlannedTask[]
  /** In the order of the answer. */
  readonly tasks: readonly PlannedTask[]
}

export type BlueprintRefusal =
  | TemplateRefusal
  | (DataRefusal & { readonly name: string; readonly uid: string })
  | (TaskRefusal & { readonly action: string })
  | { readonly reason: 'too-large'; readonly most: string }

/** Twice as many take the main thread for 50 ms when their request is checked and recorded. */
const mostServices = 5_000
const mostTasks = 5_000
/** Of all tasks together, and of all new services with their defaults, as JSON. */
const mostArgumentBytes = 2_097_152
const mostDataBytes = 2_097_152

/** What a blueprint does to the services that are there: everything, or why nothing of it. Source: robot contract, section 5. */
export const planBlueprint = async (
  { services, actions }: Blueprint,
  world: BlueprintWorld,
): Promise<
  | { readonly plan: BlueprintPlan; readonly refused?: undefined }
  | { readonly plan?: undefined; readonly refused: BlueprintRefusal }
> => {
  try {
    const { creations, updates } = await planServices(services, world)
    const created = creations.map(({ service }) => service)
    return { plan: { creations, updates, tasks: await planTasks(actions, created, world) } }
  } catch (error) {
    if (error instanceof Refused) return { refused: error.refusal }
    throw error
  }
}

class Refused extends Error {
  readonly refusal: BlueprintRefusal
  constructor(refusal: BlueprintRefusal) {
    super(refusal.reason)
    this.refusal = refusal
  }
}

/** One after the other: what is described before counts as being there. */
const planServices = async (
  services: readonly BlueprintService[],
  world: BlueprintWorld,
): Promise<Pick<BlueprintPlan, 'creations' | 'updates'>> => {
  bound(services.length, mostServices, 'services')
  const creations: PlannedCreation[] = []
  const updates: PlannedTask[] = []
  const planned = new Map<string, ServiceBinding[]>()
  let bytes = 0
  for (const described of services) {
    await world.rest()
    const { name, data } = described
    const namesakes = planned.get(name) ?? []
    const { found, template } = placeOf(described, [...world.named(name), ...namesakes], world.resolve)
    if (found !== undefined) {
      if (Object.keys(data).length > 0) updates.push(updateOf(found, data, world.newId()))
      continue
    }
    const { templateUid, commit } = template
    const filled = planData(template, data)
    if (filled.refused !== undefined) throw new Refused({ ...filled.refused, name, uid: templateUid })
    bytes += JSON.stringify(filled.data).length
    bound(bytes, mostDataBytes, 'bytes of data of all new services')
    const service = { guid: world.newId(), name, templateUid, commit }
    creations.push({ service, data: filled.data, given: Object.keys(data) })
    planned.set(name, [...namesakes, service])
  }
  return { creations, updates }
}

const bound = (count: number, most: number, what: string): void => {
  if (count > most) throw new Refused({ reason: 'too-large', most: `${most} ${what}` })
}

const updateOf = (service: ServiceBinding, data: JsonObject, id: string): PlannedTask => ({
  id,
  service,
  action: updateDataAction,
  args: { data },
  priority: priorities.system,
})

/** A service of that name that is meant, or the template of which there is to be one. Without a version any one of a service counts. */
const placeOf = (
  { template: reference, templateText: text }: BlueprintService,
  named: readonly ServiceBinding[],
  resolve: ResolveTemplate,
):
  | { readonly found: ServiceBinding; readonly template?: undefined }
  | { readonly found?: undefined; readonly template: LoadedTemplate } => {
  const ambiguous = new Refused({ reason: 'ambiguous-template', name: reference.name })
  if (reference.version === undefined) {
    const [first, ...others] = named.filter(matching(reference))
    if (first !== undefined && !others.every(matching({ ...partsOf(first), version: undefined }))) throw ambiguous
    if (first !== undefined) return { found: others.reduce(higher, first) }
  }
  const { template, fault } = resolve(reference)
  if (template === undefined) throw fault === 'ambiguous' ? ambiguous : new Refused({ reason: 'unknown-template', text })
  const found = named.find(({ templateUid }) => templateUid === template.templateUid)
  return found === undefined ? { template } : { found }
}

const partsOf = ({ templateUid }: BoundTemplate): TemplateUid => parseTemplateReference(templateUid) as TemplateUid

const higher = (one: ServiceBinding, other: ServiceBinding): ServiceBinding =>
  compareTemplateVersions(partsOf(one).version, partsOf(other).version) < 0 ? other : one

/** Whether a service has the given parts of a template. */
const matching = (reference: TemplateReference | undefined): ((service: BoundTemplate) => boolean) => {
  const given = Object.entries(reference ?? {}).filter(([, part]) => part !== undefined)
  if (given.length === 0) return () => true
  return (service) => {
    const parts = partsOf(service)
    return given.every(([part, text]) => parts[part as keyof TemplateUid] === text)
  }
}

/** For every block, for every action, for every selected service. */
const planTasks = async (
  blocks: readonly BlueprintAction[],
  created: readonly ServiceBinding[],
  world: BlueprintWorld,
): Promise<readonly PlannedTask[]> => {
  const all = blocks.some(({ service }) => service === undefined) ? [...world.all(), ...created] : []
  const named = (name: string): readonly ServiceBinding[] => [
    ...world.named(name),
    ...created.filter((service) => service.name === name),
  ]
  const tasks: PlannedTask[] = []
  let bytes = 0
  for (const block of blocks) {
    const selected = (block.service === undefined ? all : named(block.service)).filter(matching(block.template))
    const bytesEach = JSON.stringify(block.args).length
    for (const action of block.actions) {
      await world.rest()
      const able = ableTo(action, block, selected, world)
      bytes += able.length * bytesEach
      bound(tasks.length + able.length, mostTasks, 'tasks')
      bound(bytes, mostArgumentBytes, 'bytes of arguments of all tasks')
      for (const service of able)
        tasks.push({ id: world.newId(), service, action, args: block.args, priority: priorities.normal })
    }
  }
  return tasks
}

/** Those that the action is scheduled on: where the block names none, those without the action are passed over unless all are. */
const ableTo = (
  action: string,
  { service, args }: BlueprintAction,
  selected: readonly ServiceBinding[],
  world: BlueprintWorld,
): readonly ServiceBinding[] => {
  const faults = new Map<string, TaskRefusal | undefined>()
  const faultOf = (one: ServiceBinding): TaskRefusal | undefined => {
    const template = `${one.templateUid} ${one.commit}`
    if (!faults.has(template)) faults.set(template, faultOfTask(world.manifestOf(one), { action, args }))
    return faults.get(template)
  }
  const having = selected.filter((one) => faultOf(one)?.reason !== 'unknown-action')
  const able = service === undefined && having.length > 0 ? having : selected
  const fault = able.map(faultOf).find((one) => one !== undefined)
  if (fault !== undefined) throw new Refused({ ...fault, action })
  return able
}
