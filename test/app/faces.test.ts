import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { checkOwners, deciderOf, faces } from '../../src/app/faces.ts'
import type { Decider } from '../../src/commands/decider.ts'
import { isObject } from '../../src/lib/json.ts'

const sources = fileURLToPath(new URL('../../src', import.meta.url))

/** Everything that the files of a room export. */
const exportsOf = async (room: string): Promise<readonly unknown[]> => {
  const files = readdirSync(join(sources, room), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const modules = await Promise.all(files.map((file) => import(join(sources, room, file)) as Promise<object>))
  return modules.flatMap((module) => Object.values(module))
}

type AnyDecider = Decider<never, never, unknown, unknown>
const isDecider = (value: unknown): value is AnyDecider => isObject(value) && typeof value.decide === 'function'
const categoriesOf = (definitions: readonly unknown[]): readonly string[] =>
  definitions.flatMap((value) => (isObject(value) && 'schemas' in value ? [String(value.category)] : []))

/** Written without a decision: keys are sealed away, output is text, leases and offices are asked by their streams. */
const withoutDecider = ['key', 'lease', 'output']

test('every decider belongs to a face, under the category of its streams', async () => {
  const deciders = (await exportsOf('commands')).filter(isDecider)
  expect(deciders.length).toBeGreaterThan(9)
  for (const decider of deciders) expect(deciderOf(faces, decider.category), decider.category).toBe(decider)
})

test('the history of every category of events can be folded', async () => {
  const categories = categoriesOf(await exportsOf('events'))
  expect(categories.filter((category) => deciderOf(faces, category) === undefined).sort()).toEqual(withoutDecider)
})

test('nothing has two owners', () => {
  expect(() => checkOwners(faces)).not.toThrow()
  const [native, crawling] = faces as [(typeof faces)[number], (typeof faces)[number]]
  const other = { ...native, name: 'other', deciders: [], projections: [], kinds: {} }
  for (const taken of [
    { name: crawling.name },
    { deciders: crawling.deciders.slice(0, 1) },
    { projections: native.projections },
    { kinds: { probe: { reads: [] } } },
  ])
    expect(() => checkOwners([...faces, { ...other, ...taken }])).toThrow(/both claim/)
})
