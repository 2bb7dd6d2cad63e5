import type { Position } from '../../stores/event-log.ts'

/** An event that a projection could not take. */
export interface Poison {
  readonly position: Position
  readonly message: string
}

/** Carries a poison event out of a fold. */
export class Poisoned extends Error {
  override readonly name = 'Poisoned'
  readonly poison: Poison
  constructor(poison: Poison) {
    super(`the event at ${poison.position} cannot be applied: ${poison.message}`)
    this.poison = poison
  }
}

export const stopAt = (poison: Poison | undefined): void => {
  if (poison !== undefined) throw new Poisoned(poison)
}
