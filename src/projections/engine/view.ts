import type { Projection, ProjectionStatus } from '../projection.ts'
import type { Generation } from './generation.ts'
import type { GenerationFiles } from './generation-files.ts'

/** A view and the copy of it that answers. */
export interface View {
  readonly projection: Projection
  readonly files: GenerationFiles
  current: Generation
  /** Takes part in the shared feed: it has every event of its own that the feed has brought so far. */
  joined: boolean
  /** The file of the copy is damaged: it answers no more until another one takes its place. */
  damaged: boolean
  fault: ProjectionStatus['fault']
  /** Why the last rebuild failed; the old rows answer on. */
  rebuildFault: ProjectionStatus['fault']
  rebuilding: Promise<void> | undefined
  /** Joining and rebuilding one view happen one after the other. */
  task: Promise<unknown>
}

/** A copy of a view that is being filled. */
export interface Copy {
  readonly view: View
  readonly generation: Generation
}
