import type { LateRefusal } from '../../../commands/robot/blueprint.ts'

/** An accepted blueprint cannot be carried out. */
export class LateFailure extends Error {
  readonly refusal: LateRefusal
  constructor(refusal: LateRefusal) {
    super(`the blueprint cannot be carried out: ${textOf(refusal)}`)
    this.refusal = refusal
  }
}

const textOf = (refusal: LateRefusal): string => {
  switch (refusal.reason) {
    case 'not-created':
      return `the service ${refusal.name} of ${refusal.uid} cannot be created, ${refusal.why}`
    case 'service-gone':
      return `the service ${refusal.guid} was deleted`
    default:
      return refusal.message
  }
}
