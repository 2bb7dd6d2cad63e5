import type { z } from 'zod'
import { schemaProblems } from '../../lib/schema-problems.ts'
import type { HttpContext } from '../faces/http-context.ts'
import { readJsonOfAnyType } from '../reading/body.ts'
import { Problem } from '../replies/problem.ts'

/**
 * The body as the schema has it, whatever type it is declared to be. Throws the problem `invalid`, with `message` or, without one, with what
 * is wrong. Source: robot contract, sections 1 and 3.1.
 */
export const readRobotBody = async <Body extends z.ZodType>(
  c: HttpContext,
  schema: Body,
  message?: string,
): Promise<z.output<Body>> => {
  const body = await readJsonOfAnyType(c).catch((error: unknown) => {
    throw error instanceof Problem && error.slug === 'invalid' ? new Problem('invalid', message ?? error.message) : error
  })
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const [first] = schemaProblems(parsed.error)
  throw new Problem('invalid', message ?? `${first?.pointer ?? ''} ${first?.message ?? ''}`.trim())
}
