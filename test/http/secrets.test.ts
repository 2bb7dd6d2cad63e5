import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { noBackoff, type Work, WorkFailed } from '../../src/workers/work.ts'
import { runCommand } from '../e2e/harness.ts'
import { isProblem, problem, startApp, type TestApp } from './app.ts'

const Input = z.strictObject({ password: z.string().meta({ secret: true }), waits: z.boolean().default(false) })

/** Fails, or runs until it is cancelled. */
const login: Work<z.infer<typeof Input>> = {
  kind: 'login',
  face: null,
  description: 'logs in',
  submittable: true,
  input: Input,
  policy: { attempts: 1, timeoutMs: 60_000, backoff: noBackoff, whenLost: 'retry' },
  run: async ({ waits }, { signal }) => {
    if (waits) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    throw new WorkFailed('refused', 'no', { retryable: false })
  },
}

let app: TestApp
beforeAll(async () => {
  app = await startApp({}, { works: [login as Work] })
})
afterAll(() => app.stop())

const submit = async (input: object, prefer = 'wait=30'): Promise<string> => {
  const answer = await app.ask('POST /v1/operations', { body: { kind: 'login', input }, headers: { Prefer: prefer } })
  return answer.json.id
}

test('subjects are listed without values, with who uses them', async () => {
  const first = await submit({ password: 'hunter2-secret' })
  const retried = (await app.ask(`POST /v1/operations/${first}/retry`, { headers: { Prefer: 'wait=30' } })).json
  const again = (await app.ask(`POST /v1/operations/${retried.id}/retry`, { headers: { Prefer: 'wait=30' } })).json
  const { json, text } = await app.ask('GET /v1/secrets', { headers: { 'Event-Position': again.position } })
  expect(text).not.toContain('hunter2')
  expect(json.items).toContainEqual({
    subject: `operation-${first}`,
    sealedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    usedBy: [first, retried.id, again.id],
    forgottenAt: null,
  })
})

test('lists go on at the cursor', async () => {
  for (const password of ['first one', 'other one', 'third one']) await submit({ password })
  const all = (await app.ask('GET /v1/secrets')).json.items
  const pages: unknown[] = []
  for (let cursor = ''; cursor !== null; ) {
    const { json } = await app.ask(`GET /v1/secrets?limit=2${cursor && `&cursor=${cursor}`}`)
    pages.push(...json.items)
    cursor = json.next
  }
  expect(pages).toEqual(all)
  expect(pages.length).toBeGreaterThan(2)
})

test('what is forgotten is named in a receipt, recorded with who did it, and needed by nobody any more', async () => {
  const id = await submit({ password: 'hunter2-secret' })
  const subject = `operation-${id}`
  const receipt = await app.ask(`DELETE /v1/secrets/${subject}`)
  expect(receipt).toMatchObject({ status: 200 })
  expect(receipt.json).toEqual({
    subject,
    forgottenAt: expect.stringMatching(/^\d{4}-.*Z$/),
    events: 1,
    position: receipt.headers.get('event-position'),
    remains: [{ what: expect.stringContaining('backups'), until: null }],
  })
  expect((await app.ask(`DELETE /v1/secrets/${subject}`)).json).toEqual(receipt.json)
  const { items } = (await app.ask(`GET /v1/streams/secret-${subject}`)).json
  expect(items.map(({ type }: { type: string }) => type)).toEqual(['SecretForgetRequested', 'SecretForgotten'])
  for (const { metadata } of items) expect(metadata.actor).toEqual({ principal: 'anonymous', face: null, address: '127.0.0.1' })
  const listed = (await app.ask('GET /v1/secrets?limit=1000')).json.items
  expect(listed).toContainEqual({ subject, sealedAt: expect.any(String), usedBy: [id], forgottenAt: receipt.json.forgottenAt })
  const refused = problem(await app.ask(`POST /v1/operations/${id}/retry`))
  expect(refused).toEqual(isProblem('secret-forgotten', 409))
})

test('forgetting the first one takes its retries along; one that runs is named', async () => {
  const first = await submit({ password: 'hunter2-secret', waits: true }, 'respond-async')
  await expect.poll(async () => (await app.ask(`GET /v1/operations/${first}`)).json.state, { timeout: 60_000 }).toBe('running')
  const receipt = (await app.ask(`DELETE /v1/secrets/operation-${first}`)).json
  expect(receipt.remains[0]).toEqual({ what: expect.stringContaining(`operation ${first} runs`), until: null })
  await app.ask(`POST /v1/operations/${first}/cancel`)
  await app.ask(`GET /v1/operations/${first}?wait=30`)
  expect(problem(await app.ask(`POST /v1/operations/${first}/retry`))).toEqual(isProblem('secret-forgotten', 409))

  const source = await submit({ password: 'hunter2-secret' })
  const retried = (await app.ask(`POST /v1/operations/${source}/retry`, { headers: { Prefer: 'wait=30' } })).json
  expect((await app.ask(`DELETE /v1/secrets/operation-${source}`)).json.events).toBe(2)
  expect(problem(await app.ask(`POST /v1/operations/${retried.id}/retry`))).toEqual(isProblem('secret-forgotten', 409))
})

test('an attempt that begins after its secrets were forgotten fails for good', async () => {
  const body = { kind: 'login', input: { password: 'hunter2-secret' }, lane: 'one' }
  const holder = (await app.ask('POST /v1/operations', { body: { ...body, input: { ...body.input, waits: true } } })).json
  const { id } = (await app.ask('POST /v1/operations', { body })).json
  await app.ask(`DELETE /v1/secrets/operation-${id}`)
  await app.ask(`POST /v1/operations/${holder.id}/cancel`)
  const ended = (await app.ask(`GET /v1/operations/${id}?wait=60`)).json
  expect(ended).toMatchObject({ state: 'failed', error: { type: 'secret-forgotten', retryable: false } })
})

test.each(['operation-none', 'log-identity', '%2F..', 'a%00b'])('for %s nothing is sealed', async (subject) => {
  expect(problem(await app.ask(`DELETE /v1/secrets/${subject}`))).toEqual(isProblem('not-found', 404))
})

test('the command lists and forgets', async () => {
  const id = await submit({ password: 'hunter2-secret' })
  const run = (...words: string[]) => runCommand(['secrets', ...words, '--url', app.url])
  expect((await run('ls')).stdout).toContain(`operation-${id}`)
  const forgotten = await run('forget', `operation-${id}`, '--json')
  expect(forgotten).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(forgotten.stdout)).toMatchObject({ subject: `operation-${id}`, events: 1 })
  expect((await run('forget', `operation-${id}`)).stdout).toContain('still holds it: backups')
  expect((await run('forget', 'operation-none')).code).toBe(3)
})
