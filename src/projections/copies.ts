import { origin, type Position } from '../stores/event-log.ts'
import type { Generation } from './generation.ts'

/** Copies of views that are filled together. One that fails leaves the others alone. */
export interface Copies<Copy> {
  left(): readonly Copy[]
  /** Where the one stands that is furthest behind; the origin where none is left. */
  position(): Position
  /** Does something with each that is left; one that throws is left out from then on. */
  each(work: (copy: Copy) => Promise<void> | void): Promise<void>
}

export const together = <Copy extends { readonly generation: Generation }>(
  copies: readonly Copy[],
  failed: (copy: Copy, error: unknown) => void,
): Copies<Copy> => {
  let left = copies
  return {
    left: () => left,
    position: () => left.map(({ generation }) => generation.position()).sort()[0] ?? origin,
    each: async (work) => {
      for (const copy of left) {
        try {
          await work(copy)
        } catch (error) {
          left = left.filter((other) => other !== copy)
          failed(copy, error)
        }
      }
    },
  }
}
