import { z } from 'zod'
import type { ReportedError } from '../../../commands/robot/eco.ts'
import { StateChange } from '../../../commands/robot/service-data.ts'
import { inexactNumbers } from '../../../lib/inexact-numbers.ts'
import { isDeeperThan, isObject, type JsonObject, type JsonValue } from '../../../lib/json.ts'
import { anyJson, anyJsonObject } from '../../../lib/json-schemas.ts'

/** What a program says on its stdout. Source: robot contract, section 6.2. */
export interface Reply {
  readonly result?: JsonValue | undefined
  /** JSON merge patch. */
  readonly data?: JsonObject | undefined
  /** The changes before the first one that is not supported. */
  readonly state: readonly StateChange[]
  /** The state that is not supported. */
  readonly badState?: string | undefined
  readonly error?: ReportedError | undefined
  readonly schedule: readonly JsonValue[]
}

/** A longer reply is none. */
export const mostReplyBytes = 8 * 1024 * 1024
/** What is nested deeper would not be read again. */
const deepest = 100
const mostScheduled = 1_000

const word = z.string().optional().catch(undefined)
const flag = z.boolean().optional().catch(undefined)

/** A failure stays one where its words are not as they should be: those are passed over. */
const ErrorMember = z.object({
  message: word,
  public: word,
  type: word,
  category: word,
  level: z.number().optional().catch(undefined),
  file: word,
  line: z.number().int().optional().catch(undefined),
  code: z
    .union([z.string(), z.number().transform((code) => String(code))])
    .optional()
    .catch(undefined),
  class: word,
  trace: word,
  tags: word,
  data: anyJsonObject.optional().catch(undefined),
  retry: flag,
  expected: flag,
})

const ReplyObject = z.object({
  result: anyJson.optional(),
  data: anyJsonObject.nullish(),
  state: z.array(z.object({ category: z.string(), tag: z.string().nullish(), state: anyJson })).nullish(),
  error: ErrorMember.nullish().catch(undefined),
  schedule: z.array(anyJson).max(mostScheduled).nullish(),
})

const noReply: Reply = { state: [], schedule: [] }

/** Undefined where it is not empty and not one JSON object of that form. */
export const parseReply = (stdout: Buffer): Reply | undefined => {
  const text = textOf(stdout)
  if (text === undefined) return undefined
  if (text.trim() === '') return noReply
  const value = valueIn(text)
  // Rounded numbers would be others.
  if (!isObject(value) || isDeeperThan(value, deepest) || inexactNumbers(text).length > 0) return undefined
  const parsed = ReplyObject.safeParse(value)
  if (!parsed.success) return undefined
  const { result, data, state, error, schedule } = parsed.data
  const changes = (state ?? []).map(({ tag, ...change }) => ({ ...change, ...(tag == null ? {} : { tag }) }))
  // Only a category as a whole is named without a tag.
  if (changes.some((change) => change.state !== null && !('tag' in change))) return undefined
  const bad = changes.findIndex((change) => !StateChange.safeParse(change).success)
  const good = bad < 0 ? changes : changes.slice(0, bad)
  return {
    result,
    data: data ?? undefined,
    state: good as readonly StateChange[],
    badState: bad < 0 ? undefined : nameOf(changes[bad]?.state),
    error: error ?? undefined,
    schedule: schedule ?? [],
  }
}

const nameOf = (state: JsonValue | undefined): string => (typeof state === 'string' ? state : JSON.stringify(state ?? null))

const textOf = (stdout: Buffer): string | undefined => {
  try {
    return stdout.length > mostReplyBytes ? undefined : new TextDecoder('utf-8', { fatal: true }).decode(stdout)
  } catch {
    return undefined
  }
}

const valueIn = (text: string): JsonValue | undefined => {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return undefined
  }
}
