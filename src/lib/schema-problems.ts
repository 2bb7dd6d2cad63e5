import type { z } from 'zod'
import { pointerTo } from './json-pointer.ts'

/** Why a value does not fit its schema, one entry per wrong or unknown member; pointers (RFC 6901) begin with the members of `under`. */
export const schemaProblems = (
  error: z.ZodError,
  under: readonly PropertyKey[] = [],
): { readonly pointer: string; readonly message: string }[] =>
  error.issues.flatMap((issue) => {
    const path = [...under, ...issue.path]
    return issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ pointer: pointerTo([...path, key]), message: 'unknown member' }))
      : [{ pointer: pointerTo(path), message: reasonOf(issue) }]
  })

/** Of a member's name zod says only that it is wrong, and why inside. */
const reasonOf = (issue: z.core.$ZodIssue): string =>
  issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
