import { expect, test } from 'vitest'
import { z } from 'zod'
import { openInput, sealInput } from '../../src/commands/sealing.ts'
import type { SubmitRequest } from '../../src/commands/submit.ts'
import { isSealed } from '../../src/events/sealed.ts'
import type { JsonValue } from '../../src/lib/json.ts'
import { context, openEngine, work } from '../workers/engine.ts'

const hidden = { ...work('hidden', async () => null, { input: z.strictObject({ 'a/b~c': z.number() }) }), submittable: false }
const blob = `sha256-${'a'.repeat(64)}`
const reader = {
  ...work('reader', async () => null, { input: z.object({ one: z.string(), other: z.string() }) }),
  files: (input: JsonValue) =>
    Object.entries(input as Record<string, string>).map(([name, id]) => ({ pointer: `/${name}`, blob: id })),
}
const submitting = () => openEngine({ works: [hidden], isStarted: false })

test('the operation has the id of its command, and is one however often it is submitted', async () => {
  const engine = await submitting()
  const asked = context()
  const first = await engine.submit({ kind: 'probe', input: { echo: 1 } }, asked)
  expect(first).toMatchObject({ operationId: asked.commandId, revision: 0 })
  expect(await engine.submit({ kind: 'probe', input: { echo: 1 } }, asked)).toMatchObject({ operationId: asked.commandId })
  expect(await engine.events(asked.commandId)).toHaveLength(1)
})

test('what is not said has its defaults; the time is kept in UTC', async () => {
  const engine = await submitting()
  const id = await engine.request('probe', { sleepMs: 5 }, { runAt: '2030-01-01T02:00:00+02:00', policy: { attempts: 2 } })
  const [requested] = await engine.events(id)
  expect(requested?.data).toEqual({
    kind: 'probe',
    face: null,
    lane: null,
    priority: 100,
    runAt: '2030-01-01T00:00:00.000Z',
    input: { sleepMs: 5 },
    policy: { attempts: 2, timeoutMs: 900_000, backoff: { initialMs: 100, factor: 2, maxMs: 10_000 }, whenLost: 'retry' },
    externalRef: null,
    parent: null,
    retryOf: null,
  })
})

test('unknown kinds, and those that only the program may ask for, are refused', async () => {
  const engine = await submitting()
  expect(await engine.submit({ kind: 'nothing', input: {} }, context())).toEqual({
    refused: { reason: 'unknown-kind', kind: 'nothing' },
  })
  const request = { kind: 'hidden', input: { 'a/b~c': 1 } }
  expect(await engine.submit(request, context())).toEqual({ refused: { reason: 'kind-not-submittable', kind: 'hidden' } })
  expect(await engine.submit(request, context(), { internal: true })).toMatchObject({ revision: 0 })
})

test.each<[string, Partial<SubmitRequest>, string[]]>([
  ['input of the wrong form', { input: { sleepMs: -1, output: 3 } }, ['/input/sleepMs', '/input/output']],
  ['unknown members', { input: { sleepMS: 1, other: 2 } }, ['/input/sleepMS', '/input/other']],
  ['input that is no object', { input: [] }, ['/input']],
  ['pointers are escaped', { kind: 'hidden', input: { 'a/b~c': 'x' } }, ['/input/a~1b~0c']],
  ['too long a lane', { lane: 'x'.repeat(201) }, ['/lane']],
  ['an empty lane', { lane: '' }, ['/lane']],
  ['a priority out of range', { priority: 1001 }, ['/priority']],
  ['a time that is none', { runAt: 'tomorrow' }, ['/runAt']],
  ['a policy that cannot be', { policy: { attempts: 0, timeoutMs: 1.5 } }, ['/policy/attempts', '/policy/timeoutMs']],
])('%s: every error is named', async (_name, more, pointers) => {
  const engine = await submitting()
  const outcome = await engine.submit({ kind: 'probe', input: {}, ...more }, context(), { internal: true })
  expect(outcome.refused).toMatchObject({ reason: 'invalid' })
  expect(outcome.refused?.reason === 'invalid' && outcome.refused.errors.map(({ pointer }) => pointer)).toEqual(pointers)
})

test('a lane has up to 200 characters', async () => {
  const engine = await submitting()
  expect(await engine.submit({ kind: 'probe', input: {}, lane: 'ü'.repeat(200) }, context())).toMatchObject({ revision: 0 })
})

test('secret members are sealed wherever they stand, and only they are opened', async () => {
  const engine = await submitting()
  const secret = z.string().meta({ secret: true })
  const schema = z.object({
    name: z.string(),
    keys: z.array(z.object({ key: secret.optional(), label: z.string() })),
    byHost: z.record(z.string(), secret.nullable()),
    either: z.union([z.object({ token: secret }), z.object({ user: z.string() })]),
    free: z.json(),
  })
  const input: JsonValue = {
    name: 'n',
    keys: [{ key: 'k1', label: 'l1' }, { label: 'l2' }],
    byHost: { a: 'pa', b: null },
    either: { token: 't' },
    free: { $sealed: 'not ours', deep: [1] },
  }
  const sealed = (await sealInput(schema, input, 'id', engine.secrets)) as typeof input
  expect(sealed).toMatchObject({ name: 'n', keys: [{ label: 'l1' }, { label: 'l2' }], byHost: { b: null }, free: input.free })
  for (const value of [sealed.keys, sealed.byHost, sealed.either]) expect(JSON.stringify(value)).toContain('$sealed')
  expect(isSealed((sealed.either as Record<string, unknown>).token)).toBe(true)
  expect(await openInput(schema, sealed, 'id', engine.secrets)).toEqual({
    input,
    secretTexts: ['k1', 'pa', 't'],
    subject: 'operation-id',
  })
})

test('the blobs that a kind takes as files are recorded once each; unknown ones are refused', async () => {
  const engine = await openEngine({ works: [reader], isStarted: false, blobs: [blob] })
  const id = await engine.request('reader', { one: blob, other: blob })
  const [requested] = await engine.events(id)
  expect(requested?.data.files).toEqual([blob])
  expect(await engine.submit({ kind: 'reader', input: { one: blob, other: 'gone' } }, context())).toEqual({
    refused: { reason: 'invalid', errors: [{ pointer: '/input/other', message: 'there is no blob gone' }] },
  })
})
