import { type FaceModule, faceModule } from '../src/app/face-module.ts'
import type { Work } from '../src/workers/work.ts'

/** A face that has further kinds of work and nothing else. */
export const faceOfWorks = (...works: readonly Work[]): FaceModule =>
  faceModule({
    name: 'further',
    settings: () => undefined,
    variables: [],
    deciders: [],
    projections: [],
    kinds: Object.fromEntries(works.map(({ kind }) => [kind, { reads: [] }])),
    works: async () => works,
  })
