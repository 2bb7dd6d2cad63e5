import { z } from 'zod'

/** Variables by name; an empty one counts as unset. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A whole number, from text or as it is. */
export const whole = (least: number, most: number = Number.MAX_SAFE_INTEGER) =>
  z
    .union([z.number(), z.string().regex(/^\s*-?\d+\s*$/, 'is not a whole number')], 'is not a whole number')
    .transform(Number)
    .pipe(z.number().int('is not a whole number').min(least, `is below ${least}`).max(most, `is above ${most}`))

export const yesOrNo = z.union([z.boolean(), z.stringbool()], 'is neither true nor false')

export const httpUrl = z.url({ protocol: /^https?$/, error: 'is not an http or https URL' })

/** Entries between commas or white space; none where it is unset. */
export const list = (isEntry: (entry: string) => boolean, message: string) =>
  z
    .string()
    .default('')
    .transform((text, context) => {
      const entries = text.split(/[\s,]+/).filter((entry) => entry !== '')
      for (const entry of entries)
        if (!isEntry(entry)) context.addIssue({ code: 'custom', message: `holds ${JSON.stringify(entry)}, which ${message}` })
      return entries
    })

/** A variable that cannot be honoured: one line each. */
export class InvalidVariables extends Error {
  override readonly name = 'InvalidVariables'
}

/**
 * The settings of one part of the program: member `windowS` with prefix `CRAWLING` is the variable `CRAWLING_WINDOW_S`. Throws
 * `InvalidVariables` that names each variable at fault, never its value.
 */
export const settingsFrom = <Shape extends z.ZodRawShape>(
  prefix: string,
  schema: z.ZodObject<Shape>,
  environment: Environment,
): z.infer<z.ZodObject<Shape>> => {
  const given: Record<string, string> = {}
  for (const member of Object.keys(schema.shape)) {
    const value = environment[variableOf(prefix, member)]
    if (value !== undefined && value !== '') given[member] = value
  }
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  throw new InvalidVariables(
    parsed.error.issues.map(({ path, message }) => `${variableOf(prefix, String(path[0]))} ${message}`).join('\n'),
  )
}

/** The variables that `settingsFrom` reads. */
export const variablesOf = (prefix: string, { shape }: z.ZodObject): readonly string[] =>
  Object.keys(shape).map((member) => variableOf(prefix, member))

const variableOf = (prefix: string, member: string): string =>
  `${prefix}_${member.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
