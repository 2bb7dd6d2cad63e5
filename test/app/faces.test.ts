import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { checkFaces, checkWorks, deciderOf, faces } from '../../src/app/faces.ts'
import type { Decider } from '../../src/commands/decider.ts'
import { isObject } from '../../src/lib/json.ts'
import type { Work } from '../../src/workers/work.ts'

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
const withoutDecider = ['admission', 'key', 'lease', 'output']

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
  expect(() => checkFaces(faces)).not.toThrow()
  const [native, crawling] = faces as [(typeof faces)[number], (typeof faces)[number]]
  const other = { ...native, name: 'other', deciders: [], projections: [], kinds: {} }
  for (const taken of [
    { name: crawling.name },
    { deciders: crawling.deciders.slice(0, 1) },
    { projections: native.projections },
    { kinds: { probe: { reads: [] } } },
  ])
    expect(() => checkFaces([...faces, { ...other, ...taken }])).toThrow(/both claim/)
})

test('a kind reads views that there are', () => {
  const [native] = faces as [(typeof faces)[number]]
  const other = { ...native, name: 'other', deciders: [], projections: [], kinds: { 'other.kind': { reads: ['opperations'] } } }
  expect(() => checkFaces([...faces, other])).toThrow(
    'the face "other" says that the kind other.kind reads the view opperations, which no face has',
  )
})

test('a face makes the works of all its kinds, or none', () => {
  const [native] = faces as [(typeof faces)[number]]
  const face = { ...native, name: 'other', kinds: { a: { reads: [] }, b: { reads: [] } } }
  const works = (...kinds: readonly string[]) => kinds.map((kind) => ({ kind }) as Work)
  expect(() => checkWorks(face, works('a', 'b'))).not.toThrow()
  expect(() => checkWorks(face, works())).not.toThrow()
  expect(() => checkWorks(face, works('b'))).toThrow('the face "other" declares the kind a and makes no work of it')
  expect(() => checkWorks(face, works('a', 'b', 'c'))).toThrow(
    'the face "other" makes work of the kind c, which it does not declare in "kinds"',
  )
})
