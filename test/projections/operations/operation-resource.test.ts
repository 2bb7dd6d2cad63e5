import { expect, test } from 'vitest'
import { operationResource, operationText } from '../../../src/projections/operations/operation-resource.ts'
import type { OperationRow } from '../../../src/projections/operations/operation-row.ts'

const row = (input: unknown, result: unknown): OperationRow => ({
  ...{ seq: 1, id: 'one', kind: 'probe', face: null, lane: '"input":null,"result":null,', priority: 100, state: 'succeeded' },
  ...{ since: 0, ready_at: null, attempt: 1, max_attempts: 3, requested_at: 0, listed_at: 0, run_at: null, retry_at: null },
  ...{ started_at: 1, finished_at: 2, deadline: null, principal: 'me', worker: null, correlation_id: 'c', parent: null },
  requested_by: JSON.stringify({ principal: '"input":null,"result":null,', face: null }),
  ...{ retry_of: null, external_ref: null, revision: 2, position: '3', progress: null, error: '{"input":null,"result":null}' },
  ...{ labels: null, limits: null, schedule: null, slot: null, targets: null, admission: null, gate: null },
  input: JSON.stringify(input),
  result: result === undefined ? null : JSON.stringify(result),
})

const long = 'é"\n'.repeat(30_000)
const sealed = { $sealed: 'abc', subject: 'operation-one' }

test.each([
  ['a short one', { a: 1 }, { b: [2] }],
  ['a long input', { a: long }, undefined],
  ['a long result', {}, [long]],
  ['both', [{ $: '$&', long }], JSON.parse(`{"__proto__":{"a":1},"1":${JSON.stringify(long)}}`)],
  ['a long input with a secret', { key: sealed, a: long }, null],
  ['a long result beside a secret', { key: sealed }, long],
])('the text of %s is what JSON.stringify gives for it', (_, input, result) => {
  const resource = operationResource(row(input, result), null)
  const text = operationText(resource)
  expect(text === JSON.stringify(resource)).toBe(true)
  expect(text === JSON.stringify({ ...resource })).toBe(true)
  expect(JSON.parse(text)).toMatchObject({ result: result ?? null, error: { input: null, result: null }, position: '3' })
  if (text.includes('"key"')) expect([text.includes('"key":"***"'), text.includes('abc')]).toEqual([true, false])
  else expect(JSON.parse(text).input).toEqual(input)
})
