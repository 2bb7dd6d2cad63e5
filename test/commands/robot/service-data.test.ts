import { describe, expect, test } from 'vitest'
import { mergePatch, remember, type ServiceMemory } from '../../../src/commands/robot/service-data.ts'

describe('a merge patch', () => {
  // Source: RFC 7396, appendix A.
  test.each([
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":"foo"}', 'null', 'null'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
    ['{}', '{"__proto__":{"a":1}}', '{"__proto__":{"a":1}}'],
  ])('%s with %s is %s', (target, patch, expected) =>
    expect(JSON.stringify(mergePatch(JSON.parse(target), JSON.parse(patch)))).toBe(expected),
  )
})

describe('the memory of a service', () => {
  const ok = { state: 'ok' } as const
  const memory: ServiceMemory = {
    data: { a: 1 },
    state: [
      { category: 'actions', tag: 'install', ...ok },
      { category: 'status', tag: 'running', ...ok },
    ],
  }

  test('takes what an attempt leaves behind, in order', () => {
    const left = {
      data: { b: 2 },
      state: [
        { category: 'actions', tag: 'start', ...ok },
        { category: 'actions', tag: 'install', state: 'error' },
        { category: 'status', tag: 'running', state: null },
      ],
    } as const
    expect(remember(memory, left)).toEqual({
      data: { a: 1, b: 2 },
      state: [
        { category: 'actions', tag: 'install', state: 'error' },
        { category: 'actions', tag: 'start', ...ok },
      ],
    })
  })
  test('stays as it is where nothing is left', () => expect(remember(memory, {})).toEqual(memory))
  test('loses a category', () =>
    expect(remember(memory, { state: [{ category: 'actions', state: null }] }).state).toEqual([memory.state[1]]))
})
