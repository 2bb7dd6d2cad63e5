import type { z } from 'zod'

/** RFC 6901. */
const jsonPointer = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/** What is wrong with a body, one entry per member. */
export const bodyProblems = (error: z.ZodError): readonly { readonly pointer: string; readonly message: string }[] =>
  error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ pointer: jsonPointer([...issue.path, key]), message: 'unknown member' }))
      : [{ pointer: jsonPointer(issue.path), message: issue.message }],
  )
