import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { faceModule } from '../../src/app/face-module.ts'
import { checkFaces, faces } from '../../src/app/faces.ts'
import type { Decider } from '../../src/commands/decider.ts'
import { openValue, sealValue } from '../../src/commands/sealing.ts'
import { defineEvents, type EventOf } from '../../src/events/define.ts'
import { type SealedValue, sealed } from '../../src/events/sealed.ts'
import { SecretForgotten } from '../../src/lib/errors.ts'
import { newId } from '../../src/lib/ids.ts'
import type { Secrets } from '../../src/stores/secrets.ts'
import { noBackoff, type Work } from '../../src/workers/work.ts'
import { isProblem, problem, startApp, type TestApp } from './app.ts'

const hostEvents = defineEvents('tinyHost', {
  HostRegistered: z.object({ user: z.string(), login: z.object({ key: sealed().nullable() }) }),
  HostSeen: z.object({ note: z.json() }),
})
type HostEvent = EventOf<typeof hostEvents>

const host: Decider<{ readonly name: string; readonly event: HostEvent }, HostEvent, null, never> = {
  category: 'tinyHost',
  streamOf: ({ name }) => `tinyHost-${name}`,
  initial: null,
  evolve: () => null,
  decide: ({ event }) => ({ events: [event] }),
}

const Input = z.object({ key: sealed() })
const use: Work<z.infer<typeof Input>> = {
  kind: 'tinyHosts.use',
  face: null,
  description: 'uses a host',
  submittable: false,
  input: Input,
  policy: { attempts: 1, timeoutMs: 60_000, backoff: noBackoff, whenLost: 'retry' },
  run: async ({ key }, { open }) => {
    await open(key)
    throw new Error('unreachable')
  },
}

let secrets: Secrets
const tinyHosts = faceModule({
  name: 'tinyHosts',
  settings: () => undefined,
  variables: [],
  deciders: [host],
  projections: [],
  sealed: [hostEvents],
  kinds: { [use.kind]: { reads: [] } },
  works: async (node) => {
    secrets = node.secrets
    return [use as Work]
  },
})

let app: TestApp
beforeAll(async () => {
  app = await startApp({}, { further: [tinyHosts] })
})
afterAll(() => app.stop())

const context = () => ({
  commandId: newId(),
  correlationId: newId(),
  actor: { principal: 'tester', face: null, address: null },
})

const record = async (name: string, event: HostEvent): Promise<string> => {
  const { position } = { position: null, ...(await app.app.ports.executor.execute(host, { name, event }, context())) }
  return position ?? '0'
}

const register = async (name: string, subject: string): Promise<{ readonly key: SealedValue; readonly position: string }> => {
  const key = await app.app.ports.seal(subject, 'hunter2-secret')
  return { key, position: await record(name, { type: 'HostRegistered', data: { user: 'root', login: { key } } }) }
}

const subjectAt = async (subject: string, position: string) =>
  (await app.ask('GET /v1/secrets?limit=1000', { headers: { 'Event-Position': position } })).json.items.find(
    (item: { subject: string }) => item.subject === subject,
  )

test('a sealed member of an event is listed with its stream, masked, and opened by who holds the secrets alone', async () => {
  const { key, position } = await register('one', 'tinyHost-one-1')
  const expected = { subject: 'tinyHost-one-1', sealedAt: expect.any(String), usedBy: ['tinyHost-one'], forgottenAt: null }
  expect(await subjectAt('tinyHost-one-1', position)).toEqual(expected)
  const stream = await app.ask('GET /v1/streams/tinyHost-one')
  expect(stream.json.items[0].data).toEqual({ user: 'root', login: { key: '***' } })
  expect(stream.text).not.toContain(key.$sealed)
  expect(await openValue(key, secrets)).toBe('hunter2-secret')
  expect(JSON.stringify(key)).not.toContain('hunter2')
})

test('what an event holds that seals nothing is not looked through', async () => {
  const { position } = await register('two', 'tinyHost-two-1')
  const forged = { $sealed: 'v1.x.y', subject: 'somebody' }
  const later = await record('two', { type: 'HostSeen', data: { note: forged } })
  expect(await subjectAt('somebody', later)).toBeUndefined()
  expect(await subjectAt('tinyHost-two-1', position)).toBeDefined()
})

test('it is forgotten by its subject; operations that took it along are named, and cannot be repeated', async () => {
  const { key } = await register('three', 'tinyHost-three-1')
  const submitted = await app.app.ports.submit({ kind: use.kind, input: { key } }, context(), { internal: true })
  if (submitted.refused) throw new Error(submitted.refused.reason)
  const id = submitted.operationId
  const ended = await app.ask(`GET /v1/operations/${id}?wait=60`)
  expect(ended.json).toMatchObject({ state: 'failed', input: { key: '***' } })
  expect((await subjectAt('tinyHost-three-1', ended.json.position)).usedBy).toEqual([id, 'tinyHost-three'])
  expect((await app.ask('DELETE /v1/secrets/tinyHost-three-1')).json).toMatchObject({ events: 2 })
  await expect(openValue(key, secrets)).rejects.toThrow(SecretForgotten)
  expect(problem(await app.ask(`POST /v1/operations/${id}/retry`))).toEqual(isProblem('secret-forgotten', 409))
})

test('the view says the same when it is made again, and as of a moment', async () => {
  const { position } = await register('four', 'tinyHost-four-1')
  const list = () => app.ask('GET /v1/secrets?limit=1000', { headers: { 'Event-Position': position } })
  const before = await list()
  const moment = before.headers.get('event-position')
  await app.app.ports.projections.rebuild('secrets')
  expect((await list()).text).toBe(before.text)
  await register('five', 'tinyHost-five-1')
  expect((await app.ask(`GET /v1/secrets?limit=1000&asOf=${moment}`)).text).toBe(before.text)
})

test('a face that names events as sealed has some that are', () => {
  const plain = defineEvents('tinyPlain', { PlainHappened: z.object({ text: z.string() }) })
  const face = { ...tinyHosts, sealed: [plain] }
  expect(() => checkFaces([...faces, face])).toThrow(/names the events of tinyPlain as sealed/)
  expect(() => checkFaces([...faces, tinyHosts])).not.toThrow()
})

test('a digest recognises the same text within its subject alone', async () => {
  await sealValue('digest-1', 'x', secrets)
  await sealValue('digest-2', 'x', secrets)
  const digest = await secrets.digest('digest-1', 'hunter2-secret')
  expect(digest).toMatch(/^[\w-]{43}$/)
  expect(await secrets.digest('digest-1', 'hunter2-secret')).toBe(digest)
  expect(await secrets.digest('digest-1', 'hunter3-secret')).not.toBe(digest)
  expect(await secrets.digest('digest-2', 'hunter2-secret')).not.toBe(digest)
  await secrets.forget('digest-1')
  await expect(secrets.digest('digest-1', 'hunter2-secret')).rejects.toThrow(SecretForgotten)
})
