import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import { knownDialect, otherDialect } from '../../commands/schemas/json-schema-dialect.ts'
import { jsonSchemaInput } from '../../commands/schemas/json-schema-input.ts'
import { foreignReference, type JsonSchema, jsonSchemaPlace } from '../../commands/schemas/json-schema-places.ts'
import type { SchemaPlace } from '../../commands/schemas/schema-place.ts'
import { messageOf } from '../../lib/errors.ts'
import { namesOf, pointerTo } from '../../lib/json-pointer.ts'
import type { Manifest, ManifestFault } from './manifest.ts'
import { pointersIn } from './pointers.ts'

/** `format` says what is meant and checks nothing, as JSON Schema 2020-12 has it; unknown keywords say nothing. */
const ajv = new Ajv2020({ strict: false, validateFormats: false, addUsedSchema: false, logger: false })

/** What checks the input of a kind, or what is wrong with its schema. */
export const inputOf = (
  manifest: Manifest,
): { readonly input: ReturnType<typeof jsonSchemaInput>; readonly fault?: undefined } | { readonly fault: ManifestFault } => {
  const schema: JsonSchema = manifest.input
  const fault = faultOf(schema) ?? secretInPlace(manifest)
  if (fault !== undefined) return { fault }
  try {
    const check = ajv.compile(schema)
    const input = jsonSchemaInput(schema, (value) => {
      if (check(value)) return undefined
      const [error] = check.errors ?? []
      return error === undefined ? { path: [], message: 'invalid' } : { path: namesOf(pointerOf(error)), message: wordsOf(error) }
    })
    return { input }
  } catch (error) {
    return { fault: { pointer: '/input', message: messageOf(error) } }
  }
}

const faultOf = (schema: JsonSchema): ManifestFault | undefined => {
  if (otherDialect(schema) !== undefined)
    return { pointer: '/input/$schema', message: `it is not ${knownDialect}: only JSON Schema 2020-12 is known` }
  if (ajv.validateSchema(schema) !== true) {
    const [error] = ajv.errors ?? []
    return {
      pointer: `/input${error === undefined ? '' : pointerOf(error)}`,
      message: error === undefined ? 'invalid' : wordsOf(error),
    }
  }
  const reference = foreignReference(schema)
  return reference === undefined
    ? undefined
    : {
        pointer: '/input',
        message: `${reference} leads out of the schema: references stay in it (#/$defs/name), and only the whole may have an $id`,
      }
}

/** Lanes, keys of limits and targets are shown to everybody. */
const secretInPlace = ({ input, lane, limits = [], targets }: Manifest): ManifestFault | undefined => {
  const isSecret = (pointer: string): boolean => {
    let places: readonly (SchemaPlace | undefined)[] = [jsonSchemaPlace(input)]
    for (const name of namesOf(pointer)) {
      if (places.some((place) => place?.isSecret)) return true
      places = places.flatMap((place) => [place?.member(name), /^\d+$/.test(name) ? place?.item(Number(name)) : undefined])
    }
    return places.some((place) => place?.isSecret)
  }
  const texts: readonly (readonly [string, string])[] = [
    ...(lane === undefined ? [] : [['/lane', lane] as const]),
    ...limits.map((limit, index) => [`/limits/${index}`, limit] as const),
  ]
  if (targets !== undefined && [targets.from, `${targets.from}/0`].some(isSecret))
    return { pointer: '/targets/from', message: `${targets.from} is a secret` }
  for (const [pointer, text] of texts)
    for (const inside of pointersIn(text)) if (isSecret(inside)) return { pointer, message: `${inside} is a secret` }
  return undefined
}

/** Of the member that is wrong, missing or unknown. */
const pointerOf = ({ instancePath, keyword, params }: ErrorObject): string => {
  const name =
    keyword === 'required' ? params.missingProperty : keyword === 'additionalProperties' ? params.additionalProperty : undefined
  return name === undefined ? instancePath : instancePath + pointerTo([name])
}

const wordsOf = ({ keyword, message = 'invalid', params }: ErrorObject): string => {
  switch (keyword) {
    case 'required':
      return 'required'
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return 'unknown member'
    case 'enum':
      return `${message}: ${JSON.stringify(params.allowedValues)}`
    case 'const':
      return `${message}: ${JSON.stringify(params.allowedValue)}`
    default:
      return message
  }
}
