import type { z } from 'zod'

/** Why a value does not fit its schema, one entry per wrong or unknown member; pointers (RFC 6901) begin with the members of `under`. */
export const schemaProblems = (
  error: z.ZodError,
  under: readonly PropertyKey[] = [],
): { readonly pointer: string; readonly message: string }[] =>
  error.issues.flatMap((issue) => {
    const path = [...under, ...issue.path]
    return issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ pointer: pointerOf([...path, key]), message: 'unknown member' }))
      : [{ pointer: pointerOf(path), message: issue.message }]
  })

const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
