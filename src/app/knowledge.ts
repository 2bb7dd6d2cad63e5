import { join } from 'node:path'
import { type Kinds, ownPrefix } from '../commands/kind.ts'
import type { Config } from '../config.ts'
import type { OperationsOf } from '../http/faces/http-ports.ts'
import { trail } from '../projections/causes.ts'
import { createOnDemandView } from '../projections/engine/on-demand-view.ts'
import { createKnowledge, type Knowledge, type Known } from '../projections/known.ts'
import { type OperationQueries, operationQueries } from '../projections/operations/operations.ts'
import { createPast } from '../projections/past/past-views.ts'
import type { ConfiguredFace } from './face-module.ts'
import { projectionsOf } from './faces.ts'
import type { Part } from './lifecycle.ts'
import type { Node } from './node.ts'

/** What requests may read, now and as of a moment. */
export interface OpenedKnowledge {
  readonly knowledge: Knowledge
  readonly operations: OperationsOf
  /** Takes marks of the views from now on. */
  start(): void
  /** To be closed before the views. */
  readonly parts: readonly Part[]
}

/** What it stands on. */
type Ground = Pick<Node, 'clock' | 'logger' | 'projections' | 'kinds'> & {
  readonly engines: Pick<Node['engines'], 'log' | 'leases' | 'viewsDirectory'>
}

export const openKnowledge = async (
  node: Ground,
  { faces, pastViewsMaxBytes: maxBytes }: Pick<Config, 'faces' | 'pastViewsMaxBytes'>,
): Promise<OpenedKnowledge> => {
  const { clock, logger, projections, engines } = node
  const { log, viewsDirectory } = engines
  const modules = faces.map(({ module }) => module)
  const directory = join(viewsDirectory, 'past')
  const past = createPast({ log, directory, projections: projectionsOf(modules), live: projections, clock, logger, maxBytes })
  const trailView = createOnDemandView({ log, directory: join(viewsDirectory, 'trail'), projection: trail, clock, logger })
  return {
    knowledge: createKnowledge({ log, projections, past, trail: trailView, clock }),
    operations: await operationsOf(node, faces),
    start: past.start,
    parts: [
      { name: 'past views', close: past.stop },
      { name: 'trail', close: trailView.stop },
    ],
  }
}

const operationsOf = async (
  { clock, kinds, engines: { leases } }: Ground,
  faces: readonly ConfiguredFace[],
): Promise<OperationsOf> => {
  const held = faces.flatMap(({ module: { holds }, settings }) => (holds === undefined ? [] : [{ holds, settings }]))
  const holds = await Promise.all(held.map(({ holds, settings }) => holds.load(settings)))
  const made = new WeakMap<Known, OperationQueries>()
  const of = (known: Known): OperationQueries => {
    const queries =
      made.get(known) ??
      operationQueries({
        views: known.views('operations'),
        leases: known.asOf === null ? leases : undefined,
        clock: { now: known.now, monotonic: clock.monotonic },
        absent: (kind) => whyAbsent(kinds, kind),
        holds: Object.assign({}, ...holds.map((hold) => hold(known))),
      })
    made.set(known, queries)
    return queries
  }
  return Object.assign(of, { reads: [...new Set(['operations', ...held.flatMap(({ holds: { reads } }) => reads)])] })
}

/** Only manifests come and go: of every other kind there is nothing to say. */
const whyAbsent = (kinds: Kinds, kind: string): string | undefined => {
  if (!kind.startsWith(ownPrefix) || kinds.get(kind) !== undefined) return undefined
  const fault = kinds.faulty.find((one) => one.kind === kind)?.fault
  return fault === undefined
    ? 'No manifest in KINDS_DIR describes it.'
    : `Its manifest ${fault.file} is faulty${fault.pointer && ` at ${fault.pointer}`}: ${fault.message}`
}
