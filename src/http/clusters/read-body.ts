import type { z } from 'zod'
import { isObject, type JsonObject } from '../../lib/json.ts'
import { schemaProblems } from '../../lib/schema-problems.ts'
import type { HttpContext } from '../faces/http-context.ts'
import { readJsonOfAnyType } from '../reading/body.ts'
import { Problem } from '../replies/problem.ts'

/**
 * The body as the schema has it, whatever type it is declared to be; none stands for `{}`, members that are null for none, and others than
 * those of the schema are dropped. Throws the problem `invalid`, with `reason` or what is wrong. Source: clusters contract, section 1.
 */
export const readClustersBody = async <Body extends z.ZodType>(
  c: HttpContext,
  schema: Body,
  reason?: string,
): Promise<z.output<Body>> => {
  const parsed = schema.safeParse(withoutNulls(await readJsonOfAnyType(c, true)))
  if (parsed.success) return parsed.data
  const [first] = schemaProblems(parsed.error)
  throw new Problem('invalid', reason ?? `${first?.pointer ?? ''} ${first?.message ?? ''}`.trim())
}

const withoutNulls = (value: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null)
      .map(([name, member]) => [name, isObject(member) ? withoutNulls(member) : wellFormed(member)]),
  )

/** Half a character cannot be stored: it is replaced here, so that what is compared and answered is what was stored. */
const wellFormed = (member: JsonObject[string]): JsonObject[string] =>
  typeof member === 'string' ? member.toWellFormed() : member
