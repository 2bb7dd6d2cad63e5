import type { z } from 'zod'
import type { FeedError } from '../../events/crawling/feed.ts'
import { pythonRepr } from '../../events/crawling/python-repr.ts'
import type { JsonValue } from '../../lib/json.ts'
import { pointerTo } from '../../lib/json-pointer.ts'
import { withoutCrawlSecrets } from './crawl-secrets.ts'

/** A payload may be a megabyte; a reason quotes no more of it than this many characters. */
const longestQuote = 200
/** A payload may have 60,000 members that nobody knows; the errors are kept in the log. */
const mostErrors = 20

/**
 * Why a schema does not take a value, in the words and the order of the original's validator: wrong members, then missing
 * ones, then those that nobody knows; the last one says how many more there are, where there are many. One error where the schema takes it nevertheless, so that there is always a reason.
 */
export const schemaErrors = (schema: z.ZodType, value: JsonValue): readonly [FeedError, ...FeedError[]] => {
  const issues = schema.safeParse(value).error?.issues ?? []
  const quotable = withoutCrawlSecrets(value)
  const errors = issues.flatMap((issue) => describe(issue, quotable)).sort((a, b) => a.rank - b.rank)
  const [first = { pointer: '', message: 'no reason known' }, ...others] = errors.map(({ pointer, message }) => ({
    pointer,
    message,
  }))
  const more = errors.length - mostErrors
  if (more <= 0) return [first, ...others]
  return [first, ...others.slice(0, mostErrors - 1), { pointer: '', message: `${more} more errors are not listed` }]
}

interface RankedError extends FeedError {
  readonly rank: number
}
const ranks = { wrong: 0, missing: 1, additional: 2 } as const

function describe(issue: z.core.$ZodIssue, payload: JsonValue): RankedError[] {
  const given = at(payload, issue.path)
  const wrong = (message: string): RankedError[] => [{ pointer: pointerTo(issue.path), message, rank: ranks.wrong }]
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        pointer: pointerTo([...issue.path, key]),
        message: `Additional properties are not allowed (${quote(key)} was unexpected)`,
        rank: ranks.additional,
      }))
    case 'invalid_type':
      if (given === undefined) {
        const name = String(issue.path.at(-1) ?? '')
        return [{ pointer: pointerTo(issue.path), message: `${quote(name)} is a required property`, rank: ranks.missing }]
      }
      return wrong(`${quote(given)} is not of type ${quote(jsonTypes[issue.expected] ?? issue.expected)}`)
    case 'invalid_value':
      return given === undefined
        ? [
            {
              pointer: pointerTo(issue.path),
              message: `${quote(String(issue.path.at(-1)))} is a required property`,
              rank: ranks.missing,
            },
          ]
        : wrong(`${quote(given)} is not one of ${quote(issue.values as JsonValue)}`)
    case 'too_big':
      return wrong(`${quote(given)} is greater than the maximum of ${issue.maximum}`)
    case 'too_small':
      return wrong(`${quote(given)} is less than the minimum of ${issue.minimum}`)
    default:
      return wrong(`${quote(given)} ${issue.message}`)
  }
}

const jsonTypes: Readonly<Record<string, string>> = { int: 'integer', record: 'object' }

function at(payload: JsonValue, path: readonly PropertyKey[]): JsonValue | undefined {
  let value: unknown = payload
  for (const member of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, member)) return undefined
    value = (value as Record<PropertyKey, unknown>)[member]
  }
  return value as JsonValue | undefined
}

const quote = (value: JsonValue | undefined): string => {
  const shown = pythonRepr(JSON.stringify(value ?? null))
  return shown.length > longestQuote ? `${shown.slice(0, longestQuote)}…` : shown
}
