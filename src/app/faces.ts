import { holdsSealed } from '../commands/schemas/zod-places.ts'
import type { Projection } from '../projections/projection.ts'
import { secretsView } from '../projections/secrets.ts'
import type { Work } from '../workers/work.ts'
import type { AnyDecider, FaceModule } from './face-module.ts'
import { clusters } from './faces/clusters.ts'
import { crawling } from './faces/crawling.ts'
import { native } from './faces/native.ts'
import { robot } from './faces/robot.ts'

/** Every published API of the program. A new one is a folder in each room and a line here. */
export const faces: readonly FaceModule[] = [native, crawling, clusters, robot]

/** What scopes are about: the native API, and each other face by its name. */
export const scopeAreas = (modules: readonly FaceModule[]): readonly string[] =>
  modules.map(({ name }) => (name === native.name ? 'v1' : name))

/** What to tell somebody who gave a scope that no face asks for; undefined for every other one. */
export const unknownScope = (modules: readonly FaceModule[], scope: string): string | undefined => {
  const known = scopeAreas(modules).flatMap((area) => [`${area}:read`, `${area}:write`])
  return scope === '*' || known.includes(scope)
    ? undefined
    : `"${scope}" is not a scope of this program; the scopes are ${known.join(', ')} and *`
}

/**
 * Throws where two faces claim one name, stream category, view or kind, where a kind reads a view that no face has, or where nothing in a
 * definition is sealed that a face says to be.
 */
export const checkFaces = (modules: readonly FaceModule[]): void => {
  const owners = new Map<string, string>()
  const claim = (what: string, face: string): void => {
    const other = owners.get(what)
    if (other !== undefined) throw new Error(`the faces "${other}" and "${face}" both claim ${what}`)
    owners.set(what, face)
  }
  claim('the view secrets', native.name)
  for (const { name, deciders, projections, kinds, sealed = [] } of modules) {
    claim(`the name ${name}`, name)
    for (const { category } of deciders) claim(`the stream category ${category}`, name)
    for (const projection of projections) claim(`the view ${projection.name}`, name)
    for (const kind of Object.keys(kinds)) claim(`the kind ${kind}`, name)
    for (const { category, schemas } of sealed)
      if (!Object.values(schemas).some(holdsSealed))
        throw new Error(`the face "${name}" names the events of ${category} as sealed, and none has a member that is sealed()`)
  }
  const views = new Set(projectionsOf(modules).map(({ name }) => name))
  for (const { name, kinds, holds } of modules)
    for (const [who, reads] of [
      ...Object.entries(kinds).map(([kind, { reads }]) => [`the kind ${kind}`, reads] as const),
      ['holds', holds?.reads ?? []] as const,
    ])
      for (const view of reads)
        if (!views.has(view)) throw new Error(`the face "${name}" says that ${who} reads the view ${view}, which no face has`)
}

/** Throws where a face makes other works than it declares kinds; it may make none at all. */
export const checkWorks = ({ name, kinds }: FaceModule, works: readonly Work[]): void => {
  const made = works.map(({ kind }) => kind)
  const undeclared = made.find((kind) => !Object.hasOwn(kinds, kind))
  if (undeclared !== undefined)
    throw new Error(`the face "${name}" makes work of the kind ${undeclared}, which it does not declare in "kinds"`)
  const missing = made.length === 0 ? undefined : Object.keys(kinds).find((kind) => !made.includes(kind))
  if (missing !== undefined) throw new Error(`the face "${name}" declares the kind ${missing} and makes no work of it`)
}

/** Every view of these faces, and the one of all their secrets. */
export const projectionsOf = (modules: readonly FaceModule[]): readonly Projection[] => [
  ...modules.flatMap(({ projections }) => projections),
  secretsView(modules.flatMap(({ sealed = [] }) => sealed)),
]

/** The views that a process builds which does nothing but work of such kinds. */
export const projectionsFor = (modules: readonly FaceModule[], matches: (kind: string) => boolean): readonly Projection[] => {
  const kinds = modules.flatMap(({ kinds }) => Object.entries(kinds))
  const needed = new Set(kinds.filter(([kind]) => matches(kind)).flatMap(([, { reads }]) => reads))
  return projectionsOf(modules).filter(({ name }) => needed.has(name))
}

/** The decider in charge of a stream category, for reading the past. */
export const deciderOf = (modules: readonly FaceModule[], category: string): AnyDecider | undefined =>
  modules.flatMap(({ deciders }) => deciders).find((decider) => decider.category === category)
