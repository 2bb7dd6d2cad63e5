import { z } from 'zod'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import { NewService } from './lifecycle.ts'
import type { TaskRefusal } from './plan-task.ts'

/** Creates the services of a blueprint, all or none, and schedules its actions. */
export const blueprintKind = 'robot.blueprint'

const Task = z.strictObject({
  /** Of the operation that it will be. */
  id: z.string(),
  /** The guid of its service. */
  service: z.string(),
  action: z.string(),
  /** Secret members are sealed for the service. */
  args: anyJsonObject,
  priority: z.number().int(),
})

/** A blueprint as it was planned when it was accepted: all ids are chosen. */
export const BlueprintInput = z.strictObject({
  /** In the order in which they are created. */
  services: z.array(
    z.strictObject({
      guid: z.string(),
      create: NewService,
      /** The members of its data that the blueprint names; the others are defaults. */
      given: z.array(z.string()),
    }),
  ),
  /** Proposals to services that were there, or are described a second time. */
  updates: z.array(Task),
  /** In the order of the answer. */
  tasks: z.array(Task),
})
export type BlueprintInput = z.infer<typeof BlueprintInput>
export type BlueprintTask = z.infer<typeof Task>

/** What a `robot.blueprint` results in. */
export interface BlueprintOutcome {
  /** The guids of the services that it created. */
  readonly services: readonly string[]
  /** The tasks in the order of the answer, each with the guid of its service. */
  readonly tasks: readonly { readonly id: string; readonly service: string }[]
}

/** Why a blueprint failed that was accepted. */
export type LateRefusal =
  /** The validation hook refuses a service. */
  | { readonly reason: 'not-created'; readonly name: string; readonly uid: string; readonly why: string }
  /** A service was deleted meanwhile. */
  | { readonly reason: 'service-gone'; readonly guid: string }
  /** A service was upgraded meanwhile. */
  | (TaskRefusal & { readonly action: string })

/** In `error.details`: nothing of the blueprint remains once the operations have ended that delete what it had created. */
export interface BlueprintFailure {
  readonly refusal: LateRefusal
  readonly deletions: readonly string[]
}
