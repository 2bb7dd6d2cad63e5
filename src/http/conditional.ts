import { Problem } from './problem.ts'

/** The strong tag of a revision. */
export const etag = (revision: number): string => `"${revision}"`

const tags = (header: string): readonly string[] => header.split(',').map((tag) => tag.trim())

/** Whether `If-None-Match` names this revision: the client has it already (RFC 9110, weak comparison). */
export const isKnown = (header: string | undefined, revision: number): boolean =>
  header !== undefined && tags(header).some((tag) => tag === '*' || tag.replace(/^W\//, '') === etag(revision))

export const versionMismatch = (expected: string, actual: number): Problem =>
  new Problem('version-mismatch', `the resource is at revision ${actual}`, { expected, actual: etag(actual) })

/**
 * The revision that `If-Match` pins; undefined where any will do. `current` counts where the header lists several. Throws
 * `version-mismatch` where none of them can be a revision of this resource.
 */
export const pinnedRevision = (header: string | undefined, current: number): number | undefined => {
  if (header === undefined || header.trim() === '*') return undefined
  const listed = tags(header)
  if (listed.includes(etag(current))) return current
  const only = listed.length === 1 ? /^"(\d{1,15})"$/.exec(listed[0] ?? '')?.[1] : undefined
  if (only === undefined) throw versionMismatch(header, current)
  return Number(only)
}
