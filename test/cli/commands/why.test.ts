import { expect, test } from 'vitest'
import { eventsOf, getJson, type Json, runCommand, startServer, submitProbe, untilEnded } from '../../e2e/harness.ts'

test('why shows the chain to an operation or an event, and what it caused', async () => {
  const { url } = await startServer()
  const env = { INTENDANT_URL: url }
  const id = await submitProbe(url, {})
  await untilEnded(url, id)
  const [requested, started] = (await eventsOf(url, id)) as unknown as { id: string; position: string; data: Json }[]
  const moment = String((await getJson(`${url}/v1/operations/${id}`)).position)

  const shown = await runCommand(['why', id, '--as-of', moment], { env })
  expect(shown).toMatchObject({ code: 0, stderr: '' })
  const lines = shown.stdout.trimEnd().split('\n')
  expect(lines[0]).toMatch(/Z {2}anonymous at 127\.0\.0\.1 asked for a probe through the native API {2}\(OperationRequested /)
  expect(lines[1]).toContain(`Z    attempt 1 started on worker ${started?.data.worker}  (OperationStarted ${started?.id})`)

  const ofEvent = await runCommand(['why', String(started?.id), '--as-of', moment, '--json'], { env })
  expect(JSON.parse(ofEvent.stdout)).toEqual(await getJson(`${url}/v1/events/${started?.id}/why?asOf=${moment}`))
  const page = await runCommand(['why', id, '--limit', '1'], { env })
  const cursor = /more: --cursor (\S+)/.exec(page.stdout)?.[1] ?? ''
  expect((await runCommand(['why', id, '--limit', '1', '--cursor', cursor], { env })).stdout).toContain('attempt 1 succeeded')

  const early = await runCommand(['why', String(started?.id), '--as-of', String(requested?.position)], { env })
  expect(early).toMatchObject({ code: 3, stderr: expect.stringContaining('there is no operation and no event') })
  expect((await runCommand(['why', id, '--as-of', 'yesterday'], { env })).code).toBe(1)
  expect((await runCommand(['why'], { env })).code).toBe(2)
})

test('operations, events and audits are shown as they were', async () => {
  const { url } = await startServer()
  const env = { INTENDANT_URL: url }
  const run = async (...words: string[]) => JSON.parse((await runCommand([...words, '--json'], { env })).stdout)
  const id = await submitProbe(url, {})
  await untilEnded(url, id)
  const [requested] = (await eventsOf(url, id)) as unknown as { id: string; position: string }[]
  const other = await submitProbe(url, {})
  await untilEnded(url, other)

  for (const moment of [String(requested?.id), String(requested?.position)]) {
    expect(await run('operations', 'get', id, '--as-of', moment)).toMatchObject({ id, state: 'pending' })
    expect((await run('operations', 'ls', '--as-of', moment)).items).toMatchObject([{ id, state: 'pending' }])
    expect((await run('events', 'ls', '--as-of', moment)).items).toMatchObject([{ id: requested?.id }])
    expect(await run('audit', 'replay', '--stream', `operation-${id}`, '--as-of', moment)).toMatchObject({ revision: 0 })
  }
  const missing = await runCommand(['operations', 'get', other, '--as-of', String(requested?.id)], { env })
  expect(missing.code).toBe(3)
})
