import type { Work } from './work.ts'

/** Every kind of work that this process knows. */
export interface Kinds {
  readonly all: readonly Work[]
  get(kind: string): Work | undefined
}

/** Throws where two works claim the same kind. */
export const createKinds = (works: readonly Work[]): Kinds => {
  const byKind = new Map<string, Work>()
  for (const work of works) {
    if (byKind.has(work.kind)) throw new Error(`two works are registered for the kind ${work.kind}`)
    byKind.set(work.kind, work)
  }
  return { all: [...byKind.values()], get: (kind) => byKind.get(kind) }
}
