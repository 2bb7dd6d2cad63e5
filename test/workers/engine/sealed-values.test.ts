import { expect, test } from 'vitest'
import { z } from 'zod'
import { sealValue } from '../../../src/commands/sealing.ts'
import { type SealedValue, sealed } from '../../../src/events/sealed.ts'
import { readOutput } from '../../../src/projections/operations/read-output.ts'
import { openEngine, work } from '../engine.ts'

const Input = z.object({ key: sealed() })

test('a work opens a sealed value, and what it says from then on is masked', async () => {
  const shows = work<z.infer<typeof Input>>(
    'shows',
    async ({ key }, { open, output }) => {
      await output('hunter2-')
      const clear = await open(key)
      await output(`opened ${JSON.stringify(clear)}\n`)
      return { port: 2222, clear, again: key }
    },
    { input: Input },
  )
  const engine = await openEngine({ works: [shows] })
  const key = await sealValue('hunter2-host', { password: 'hunter2-', port: 2222 }, engine.secrets)
  const id = await engine.request('shows', { key })
  const shown = { port: '***', clear: { password: '***', port: '***' }, again: '***' }
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', input: { key: '***' }, result: shown })
  const { content } = await readOutput(engine.log, id, { offset: 0, limit: 1000 })
  expect(content.toString()).toBe('hunter2-opened {"password":"***","port":***}\n')
  // Recorded as it was sealed: a mask in the name of its subject would make it unreadable.
  const last = (await engine.events(id)).at(-1)?.data as { result: { again: SealedValue } } | undefined
  expect(last?.result.again).toEqual(key)
})

test('a work seals what it has learned, and a later attempt opens what the first one sealed', async () => {
  const attempts: unknown[] = []
  const learns = work(
    'learns',
    async (_input, { open, seal, step, attempt, output }) => {
      const token = await step('token', async () => ({ ...(await seal('host-7', `token ${attempt}`)) }))
      attempts.push(await open(token))
      await output(`with token 1 in attempt ${attempt}\n`)
      if (attempt === 1) throw new Error('not with token 1')
      return { token: { ...token } }
    },
    { input: z.object({}) },
  )
  const engine = await openEngine({ works: [learns] })
  const id = await engine.request('learns', {})
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', result: { token: '***' } })
  expect(attempts).toEqual(['token 1', 'token 1'])
  for await (const event of engine.log.readAll()) expect(JSON.stringify(event)).not.toContain('token 1')
})

test('a forgotten one fails the operation for good', async () => {
  const opens = work<z.infer<typeof Input>>('opens', ({ key }, { open }) => open(key), { input: Input })
  const engine = await openEngine({ works: [opens] })
  const key = await sealValue('host-1', 'hunter2-secret', engine.secrets)
  await engine.secrets.forget('host-1')
  const id = await engine.request('opens', { key })
  expect(await engine.ended(id)).toMatchObject({ state: 'failed', attempt: 1, error: { type: 'secret-forgotten' } })
})
