import { describe, expect, test } from 'vitest'
import { templateSchema } from '../../../src/commands/robot/template-schema.ts'

const machine = templateSchema({
  type: 'object',
  required: ['name'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', pattern: '^(a+)+$' },
    size: { enum: ['small', 'large'], default: 'small' },
    disks: { type: 'array', default: [], items: { type: 'object', properties: { gib: { type: 'integer', default: 10 } } } },
  },
})

describe('a value', () => {
  test('that fits has no fault', () => expect(machine.faultOf({ name: 'aa', disks: [{ gib: 1 }] })).toBeUndefined())

  test.each([
    [{}, '', "must have required property 'name'"],
    [{ name: 'a', color: 1 }, '', 'unknown member "color"'],
    [{ name: 'a', size: 'huge' }, '/size', 'must be equal to one of the allowed values: ["small","large"]'],
    [{ name: 'a', disks: [{ gib: 1.5 }] }, '/disks/0/gib', 'must be integer'],
    [7, '', 'must be object'],
  ])('%j: %s %s', (value, pointer, reason) => expect(machine.faultOf(value)).toEqual({ pointer, reason }))

  test('is filled with defaults, and left as it was itself', () => {
    const value = { name: 'b', disks: [{}] }
    expect(machine.withDefaults(value)).toEqual({ name: 'b', size: 'small', disks: [{ gib: 10 }] })
    expect(value).toEqual({ name: 'b', disks: [{}] })
    expect(machine.withDefaults({})).toEqual({ size: 'small', disks: [] })
  })

  test('meets each pattern of a schema', () => {
    const two = templateSchema({ properties: { a: { pattern: '^a$' }, b: { pattern: '^b$' } } })
    expect([two.faultOf({ a: 'a', b: 'b' }), two.faultOf({ a: 'b' })?.pointer, two.faultOf({ b: 'a' })?.pointer]).toEqual([
      ...[undefined, '/a', '/b'],
    ])
  })

  test('of any length meets patterns in linear time', () =>
    expect(machine.faultOf({ name: `${'a'.repeat(50_000)}!` })).toMatchObject({ pointer: '/name' }))
})

test.each([
  [{ type: 'nothing' }, /type/],
  [{ pattern: '(?=a)' }, /\(\?=/],
  [{ $ref: 'http://host/schema' }, /refers to http:\/\/host\/schema/],
  [{ $ref: '#/$defs/none' }, /none/],
  [{ $schema: 'http://json-schema.org/draft-07/schema#' }, /draft-07.*: only JSON Schema 2020-12/],
  [{ $schema: 7 }, /it is written in 7/],
  [{ description: 'x'.repeat(16_384) }, /16384/],
])('%# is not a schema that is taken', (schema, message) => expect(() => templateSchema(schema)).toThrow(message))

test('the same schema is compiled once', () =>
  expect(templateSchema({ type: 'object', title: 'once' })).toBe(templateSchema({ type: 'object', title: 'once' })))
