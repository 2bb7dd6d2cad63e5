import { expect, test } from 'vitest'
import {
  foreignReference,
  type JsonSchema,
  jsonSchemaHoldsSecrets,
  jsonSchemaPlace,
} from '../../../src/commands/schemas/json-schema-places.ts'

const secret = { type: 'string', secret: true }

test.each<[string, JsonSchema]>([
  ['of a member', { properties: { token: secret } }],
  ['that every choice has', { anyOf: [{ properties: { token: secret } }, true] }],
  ['of members of any name', { additionalProperties: secret }],
  ['among the definitions', { properties: { token: { $ref: '#/$defs/token' } }, $defs: { token: secret } }],
  ['where only a reference leads', { properties: { token: { $ref: '#/parts/a~1b' } }, parts: { 'a/b': secret } }],
])('finds a secret %s', (_, schema) => {
  expect(jsonSchemaHoldsSecrets(schema)).toBe(true)
  expect(jsonSchemaPlace(schema)?.member('token')?.isSecret).toBe(true)
})

test.each<[string, JsonSchema, string | undefined]>([
  ['stays inside', { $id: 'urn:root', properties: { a: { $ref: '#/$defs/a' } }, $defs: { a: { $ref: '#' } } }, undefined],
  ['leads out', { properties: { a: { $ref: 'https://example.com/a' } } }, 'https://example.com/a'],
  ['leads out from where only a reference leads', { $ref: '#/parts/a', parts: { a: { $ref: 'other' } } }, 'other'],
  ['has another root', { properties: { a: { $id: 'urn:a', $ref: '#/$defs/b', $defs: { b: secret } } } }, 'urn:a'],
])('a reference %s', (_, schema, found) => expect(foreignReference(schema)).toBe(found))
