import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openMembers, sealMembers, sealPatch } from '../../../src/commands/robot/secret-members.ts'
import { mergePatch } from '../../../src/commands/robot/service-data.ts'
import { masked, type SealedValue } from '../../../src/events/sealed.ts'
import type { JsonObject, JsonValue } from '../../../src/lib/json.ts'

/** Seals as the program does, but readable for a test. */
const seal = async (value: JsonValue): Promise<SealedValue> => ({ $sealed: JSON.stringify(value), subject: 'robotService-1' })
const open = async ({ $sealed }: SealedValue): Promise<JsonValue> => JSON.parse($sealed)

const secret = { 'x-secret': true }
const schema = {
  type: 'object',
  properties: { a: secret, b: { properties: { c: secret } }, list: { items: { properties: { d: secret } } } },
  patternProperties: { '^key_': secret },
  additionalProperties: { properties: { deep: secret } },
}
const sealed = (value: JsonValue) => ({ $sealed: JSON.stringify(value), subject: 'robotService-1' })

describe('members that are sealed', () => {
  test.each<[string, JsonObject, JsonObject]>([
    ['a member', { a: 'x' }, { a: sealed('x') }],
    ['a member of any type', { a: { x: [1] } }, { a: sealed({ x: [1] }) }],
    ['no null', { a: null }, { a: null }],
    ['a member of a member', { b: { c: 1, e: 2 } }, { b: { c: sealed(1), e: 2 } }],
    ['members of items', { list: [{ d: 1 }, { e: 2 }] }, { list: [{ d: sealed(1) }, { e: 2 }] }],
    ['members by a pattern', { key_x: 1, x_key: 2 }, { key_x: sealed(1), x_key: 2 }],
    ['members of others', { other: { deep: 1 } }, { other: { deep: sealed(1) } }],
    ['what looks like a sealed value', { x: { $sealed: 'y' } }, { x: sealed({ $sealed: 'y' }) }],
    ['nothing else', { c: 1, d: { a: 2 } }, { c: 1, d: { a: 2 } }],
  ])('%s', async (_name, value, expected) => {
    expect(await sealMembers(schema, value, seal)).toEqual(expected)
    expect(await openMembers(expected, open)).toEqual(value)
  })

  test('are those of the keyword of templates alone', async () => {
    const own = { properties: { a: { secret: true } } }
    expect(await sealMembers(own, { a: 1 }, seal)).toEqual({ a: 1 })
  })

  const objects = fc.dictionary(
    fc.constantFrom('a', 'b', 'c', 'd', 'list', 'key_1', 'deep', '$sealed', '__proto__'),
    // JSON has no negative zero.
    fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value))),
  ) as fc.Arbitrary<JsonObject>

  test('open to what they were, whatever they were', () =>
    fc.assert(
      fc.asyncProperty(objects, async (value) => {
        const kept = JSON.stringify(value)
        const hidden = await sealMembers(schema, value, seal)
        expect(JSON.stringify(await openMembers(hidden, open))).toBe(kept)
        expect(JSON.stringify(value)).toBe(kept)
      }),
    ))

  test('of a patch make the same of sealed data as the patch makes of clear data', () =>
    fc.assert(
      fc.asyncProperty(objects, objects, async (data, patch) => {
        const patched = mergePatch(await sealMembers(schema, data, seal), await sealPatch(schema, data, patch, seal))
        expect(await openMembers(patched, open)).toEqual(mergePatch(data, patch))
      }),
    ))
})

test('nothing of a secret is shown', async () => {
  const value = await sealMembers(schema, { a: 'x', b: { c: { d: 1 } } }, seal)
  expect(masked(value)).toEqual({ a: '***', b: { c: '***' } })
})
