import type { Projection } from '../projections/projection.ts'
import type { AnyDecider, FaceModule } from './face-module.ts'
import { crawling } from './faces/crawling.ts'
import { native } from './faces/native.ts'

/** Every published API of the program. A new one is a folder in each room and a line here. */
export const faces: readonly FaceModule[] = [native, crawling]

/** What scopes are about: the native API, and each other face by its name. */
export const scopeAreas: readonly string[] = faces.map(({ name }) => (name === native.name ? 'v1' : name))

const knownScopes = scopeAreas.flatMap((area) => [`${area}:read`, `${area}:write`])

/** What to tell somebody who gave a scope that nothing asks for; undefined for every other one. */
export const unknownScope = (scope: string): string | undefined =>
  scope === '*' || knownScopes.includes(scope)
    ? undefined
    : `"${scope}" is not a scope of this program; the scopes are ${knownScopes.join(', ')} and *`

/** Throws where two faces claim one name, stream category, view or kind: each has one owner. */
export const checkOwners = (modules: readonly FaceModule[]): void => {
  const owners = new Map<string, string>()
  const claim = (what: string, face: string): void => {
    const other = owners.get(what)
    if (other !== undefined) throw new Error(`the faces "${other}" and "${face}" both claim ${what}`)
    owners.set(what, face)
  }
  for (const { name, deciders, projections, kinds } of modules) {
    claim(`the name ${name}`, name)
    for (const { category } of deciders) claim(`the stream category ${category}`, name)
    for (const projection of projections) claim(`the view ${projection.name}`, name)
    for (const kind of Object.keys(kinds)) claim(`the kind ${kind}`, name)
  }
}

/** Every view of these faces. */
export const projectionsOf = (modules: readonly FaceModule[]): readonly Projection[] =>
  modules.flatMap(({ projections }) => projections)

/** The views that a process builds which does nothing but work of such kinds. */
export const projectionsFor = (modules: readonly FaceModule[], matches: (kind: string) => boolean): readonly Projection[] => {
  const kinds = modules.flatMap(({ kinds }) => Object.entries(kinds))
  const needed = new Set(kinds.filter(([kind]) => matches(kind)).flatMap(([, { reads }]) => reads))
  return projectionsOf(modules).filter(({ name }) => needed.has(name))
}

/** The decider in charge of a stream category, for reading the past. */
export const deciderOf = (modules: readonly FaceModule[], category: string): AnyDecider | undefined =>
  modules.flatMap(({ deciders }) => deciders).find((decider) => decider.category === category)
