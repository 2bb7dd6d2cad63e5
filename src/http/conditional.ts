import { Problem } from './problem.ts'

/** The strong tag of a revision. */
export const etag = (revision: number): string => `"${revision}"`

const tags = (header: string): readonly string[] => header.split(',').map((tag) => tag.trim().replace(/^W\//, ''))

/** Whether `If-None-Match` names this revision: the client has it already (RFC 9110, weak comparison). */
export const isKnown = (header: string | undefined, revision: number): boolean =>
  header !== undefined && (header.trim() === '*' || tags(header).includes(etag(revision)))

/**
 * The revision that `If-Match` pins; undefined where any will do. Where the header lists several, the current one counts if it is
 * among them. Throws `version-mismatch` where none of them can be a revision of this resource.
 */
export const pinnedRevision = (header: string | undefined, current: number): number | undefined => {
  if (header === undefined || header.trim() === '*') return undefined
  const listed = tags(header)
  if (listed.includes(etag(current))) return current
  throw new Problem('version-mismatch', `the resource is at revision ${current}`, { expected: header, actual: etag(current) })
}
