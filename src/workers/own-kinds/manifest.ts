import { z } from 'zod'
import { ownPolicy, ownPrefix } from '../../commands/kind.ts'
import type { JsonSchema } from '../../commands/schemas/json-schema-places.ts'
import { isObject, type JsonValue } from '../../lib/json.ts'
import { anyJson } from '../../lib/json-schemas.ts'
import { schemaProblems } from '../../lib/schema-problems.ts'
import { pointersIn } from './pointers.ts'

const longestMs = 365 * 24 * 3_600_000
const mostWords = 100
const mostTargets = 100
const mostConcurrency = 1_000
const mostLimits = 8
const defaultOutputCapBytes = 16 * 1024 * 1024
const defaultConcurrency = 4

const milliseconds = z.number().int().min(0).max(longestMs)
/** A program is given its words and variables as C strings. */
const argument = z.string().refine((text) => !text.includes('\0'), 'no NUL characters')
const pointer = z.string().regex(/^(\/([^~/]|~[01])*)+$/, 'a JSON Pointer, such as /hosts')
const template = (text: z.ZodString) =>
  text.refine(
    (value) => pointersIn(value).every((inside) => pointer.safeParse(inside).success),
    'a JSON Pointer between braces: {/name}',
  )

/** A manifest. Source: native contract, section 9. */
const ManifestDocument = z.strictObject({
  kind: z
    .string()
    .regex(
      /^own\.(?=.{1,60}$)[a-z0-9-]+(\.[a-z0-9-]+)*$/,
      `"${ownPrefix}" and then 1 to 60 characters of a-z, 0-9 and -, with dots between parts`,
    ),
  description: z.string().min(1).max(10_000),
  run: z
    .array(argument)
    .min(1)
    .max(mostWords)
    .refine(([program]) => program !== '', { path: [0], message: 'the name of a program' }),
  input: anyJson.default({ type: 'object' }),
  policy: z
    .strictObject({
      attempts: z.number().int().min(1).max(100).default(ownPolicy.attempts),
      timeoutMs: milliseconds.min(1).default(ownPolicy.timeoutMs),
      backoff: z
        .strictObject({
          firstMs: milliseconds.default(ownPolicy.backoff.initialMs),
          factor: z.number().min(1).max(1_000).default(ownPolicy.backoff.factor),
          maxMs: milliseconds.default(ownPolicy.backoff.maxMs),
        })
        .prefault({}),
      lostAttempts: z.number().int().min(1).max(1_000).default(5),
      whenLost: z.enum(['retry', 'fail']).default(ownPolicy.whenLost),
    })
    .prefault({}),
  lane: template(z.string().min(1).max(1_000)).optional(),
  limits: z
    .array(template(z.string().min(1).max(1_000)))
    .max(mostLimits)
    .optional(),
  environment: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a variable'), argument).default({}),
  targets: z
    .strictObject({
      from: pointer,
      parallel: z.number().int().min(1).max(mostTargets).default(1),
      pauseMs: milliseconds.default(0),
      maxFailures: z.number().int().min(1).optional(),
    })
    .optional(),
  files: z
    .record(pointer, z.string().regex(/^(?!\.{1,2}$)[^/\0]{1,255}$/, 'the name of a file, without folders'))
    .refine((files) => new Set(Object.values(files)).size === Object.keys(files).length, 'each name once')
    .default({}),
  concurrency: z.number().int().min(1).max(mostConcurrency).default(defaultConcurrency),
  outputCapBytes: z.number().int().min(0).default(defaultOutputCapBytes),
})
export type Manifest = Omit<z.output<typeof ManifestDocument>, 'input'> & { readonly input: JsonSchema }

/** The first thing that is wrong in a manifest. */
export interface ManifestFault {
  readonly pointer: string
  readonly message: string
}

/** What a manifest says, or what is wrong with it. The schema of the input is not looked into. */
export const parseManifest = (
  text: string,
): { readonly value: JsonValue; readonly manifest: Manifest } | { readonly value?: JsonValue; readonly fault: ManifestFault } => {
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue
  } catch (error) {
    return { fault: { pointer: '', message: `it is not JSON: ${(error as Error).message}` } }
  }
  if (!isObject(value)) return { fault: { pointer: '', message: 'it is not a JSON object' } }
  const parsed = ManifestDocument.safeParse(value)
  const faultyInput = parsed.success ? faultOfInput(parsed.data.input) : undefined
  if (faultyInput !== undefined) return { value, fault: faultyInput }
  if (parsed.success) return { value, manifest: parsed.data as Manifest }
  const [first = { pointer: '', message: 'it is not a manifest' }] = schemaProblems(parsed.error)
  return { value, fault: first }
}

const faultOfInput = (input: JsonValue): ManifestFault | undefined =>
  isObject(input) || typeof input === 'boolean'
    ? undefined
    : { pointer: '/input', message: 'it is not a JSON Schema: an object, true or false' }
