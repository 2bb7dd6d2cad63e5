import { Ajv2020, type ErrorObject, type Options, type ValidateFunction } from 'ajv/dist/2020.js'
import { LRUCache } from 'lru-cache'
import { RE2JS } from 're2js'
import { messageOf } from '../../lib/errors.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { knownDialect, otherDialect } from '../schemas/json-schema-dialect.ts'
import { foreignReference } from '../schemas/json-schema-places.ts'

/** What does not fit, and why. `pointer` is a JSON Pointer (RFC 6901); empty for the whole value. */
export interface SchemaFault {
  readonly pointer: string
  readonly reason: string
}

/** A JSON Schema (2020-12) of a manifest, for the data of a service or for an argument. */
export interface TemplateSchema {
  /** The first fault; undefined where the value fits. */
  faultOf(value: JsonValue): SchemaFault | undefined
  /** The value with the defaults of the schema where it has nothing, whether it fits or not: to be checked then. */
  withDefaults<Value extends JsonValue>(value: Value): Value
}

/** A larger one takes the main thread for longer than 50 ms when it is compiled (800 members: 105 ms). */
const mostSchemaBytes = 16_384
const mostCached = 100

/** A pattern of a template, which comes from strangers, as a test that takes linear time. Throws where it is none. */
export const linearPattern = (pattern: string): { test(text: string): boolean; toString(): string } => {
  const expression = patterns.get(pattern) ?? RE2JS.compile(pattern)
  patterns.set(pattern, expression)
  // ajv tells patterns apart by their text.
  return { test: (text) => expression.test(text), toString: () => pattern }
}
const patterns = new LRUCache<string, RE2JS>({ max: mostCached })
const linearPatterns = Object.assign((pattern: string) => linearPattern(pattern), { code: 'linearPatterns' })

/** Without the pass that optimises what is compiled, which takes four times as long as the rest. */
const options: Options = {
  strict: false,
  validateFormats: false,
  addUsedSchema: false,
  logger: false,
  code: { regExp: linearPatterns, optimize: false },
}
const checking = new Ajv2020(options)
const filling = new Ajv2020({ ...options, useDefaults: true, allErrors: true })
const compiled = new LRUCache<string, TemplateSchema>({ max: mostCached })

/** Throws an `Error` that says why where the schema is not one that is taken. */
export const templateSchema = (schema: JsonObject): TemplateSchema => {
  const text = JSON.stringify(schema)
  const known = compiled.get(text)
  if (known !== undefined) return known
  if (text.length > mostSchemaBytes) throw new Error(`a schema has at most ${mostSchemaBytes} characters`)
  const dialect = otherDialect(schema)
  if (dialect !== undefined)
    throw new Error(`it is written in ${JSON.stringify(dialect)}: only JSON Schema 2020-12 (${knownDialect}) is known`)
  const reference = foreignReference(schema)
  if (reference !== undefined) throw new Error(`it refers to ${reference}, which is outside of the schema`)
  const check = compile(checking, schema)
  let fill: ValidateFunction | undefined
  const made: TemplateSchema = {
    faultOf: (value) => {
      if (check(value)) return undefined
      const [error] = check.errors ?? []
      return error === undefined ? { pointer: '', reason: 'invalid' } : { pointer: error.instancePath, reason: reasonOf(error) }
    },
    withDefaults: (value) => {
      const filled = structuredClone(value)
      fill ??= compile(filling, schema)
      fill(filled)
      return filled
    },
  }
  compiled.set(text, made)
  return made
}

const compile = (ajv: Ajv2020, schema: JsonObject): ValidateFunction => {
  try {
    return ajv.compile(schema)
  } catch (error) {
    throw new Error(messageOf(error))
  } finally {
    // What ajv remembers by itself it never forgets.
    ajv.removeSchema(schema)
  }
}

const reasonOf = ({ keyword, message = 'invalid', params }: ErrorObject): string => {
  switch (keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return `unknown member ${JSON.stringify(params.additionalProperty ?? params.unevaluatedProperty)}`
    case 'enum':
      return `${message}: ${JSON.stringify(params.allowedValues)}`
    case 'const':
      return `${message}: ${JSON.stringify(params.allowedValue)}`
    default:
      return message
  }
}
