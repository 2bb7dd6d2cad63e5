import { z } from 'zod'
import type { JsonObject } from '../../lib/json.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import type { SubmitRequest } from '../submit.ts'
import { priorities } from './task.ts'
import { type BoundTemplate, serviceLane } from './template.ts'

/** Validates a service with the hook of its template: a new one, which it then creates, or one that waits until it is valid. */
export const validateKind = 'robot.validate'
/** Binds a service to another version of its template, or to another commit of the same one. */
export const upgradeKind = 'robot.upgrade'
/** Deletes a service with everything that belongs to it. */
export const deleteKind = 'robot.delete'

/** A service that is to be created. Secret members of `data` are sealed, defaults are filled in. */
export const NewService = z.strictObject({
  name: z.string(),
  templateUid: z.string(),
  commit: z.string(),
  data: anyJsonObject,
  public: z.boolean(),
  origin: z.enum(['api', 'blueprint', 'action']),
})
export type NewService = z.infer<typeof NewService>

export const ValidateInput = z.strictObject({
  /** Its guid. */
  service: z.string(),
  /** What to create where it is valid; null for a service that exists. */
  create: NewService.nullable(),
})
export type ValidateInput = z.infer<typeof ValidateInput>

/** What a service is upgraded to. */
export const UpgradeInput = z.strictObject({ service: z.string(), templateUid: z.string(), commit: z.string() })
export type UpgradeInput = z.infer<typeof UpgradeInput>

/** What a `robot.upgrade` results in. */
export interface UpgradeOutcome extends BoundTemplate {
  /** Defaults of the new schema, which take the place of members of the data. */
  readonly members?: JsonObject
  /** The operation that validates the service now; null where its template has no hook for it. */
  readonly validation: string | null
}

export const DeleteInput = z.strictObject({ service: z.string() })
export type DeleteInput = z.infer<typeof DeleteInput>

/** What a `robot.delete` results in. */
export interface DeleteOutcome {
  /** The delete actions, in order. */
  readonly actions: readonly string[]
  readonly failures: readonly { readonly action: string; readonly message: string }[]
}

const inLane = (kind: string, input: ValidateInput | UpgradeInput | DeleteInput): SubmitRequest => ({
  kind,
  input: input as unknown as SubmitRequest['input'],
  lane: serviceLane(input.service),
  priority: priorities.system,
})

/** Validates and creates a service; one that is refused is not tried again. */
export const creationRequest = (guid: string, create: NewService): SubmitRequest => ({
  ...inLane(validateKind, { service: guid, create }),
  policy: { attempts: 1, lostAttempts: lostCreations },
})

/** After so many attempts in a row that ended with their worker a creation is given up. */
const lostCreations = 5

/** Validates a service until it is valid; its tasks wait meanwhile. */
export const validationRequest = (guid: string): SubmitRequest => inLane(validateKind, { service: guid, create: null })

export const upgradeRequest = (guid: string, { templateUid, commit }: BoundTemplate): SubmitRequest =>
  inLane(upgradeKind, { service: guid, templateUid, commit })

export const deletionRequest = (guid: string): SubmitRequest => inLane(deleteKind, { service: guid })
