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
 * The revision that `If-Match` pins; undefined where any will do, -1 where no revision has such a tag. `current` counts where the header
 * lists several. Whether the resource exists is asked before its revision, so a tag of another form is no reason to refuse here.
 */
export const pinnedRevision = (header: string | undefined, current: number | undefined): number | undefined => {
  if (header === undefined || header.trim() === '*') return undefined
  const listed = tags(header)
  if (current !== undefined && listed.includes(etag(current))) return current
  const only = listed.length === 1 ? /^"(\d{1,15})"$/.exec(listed[0] ?? '')?.[1] : undefined
  return only === undefined ? -1 : Number(only)
}
