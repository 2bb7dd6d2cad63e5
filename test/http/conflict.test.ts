import { expect, onTestFinished, test, vi } from 'vitest'
import { RevisionConflict } from '../../src/lib/errors.ts'
import { startApp } from './app.ts'

test('a stream that other nodes change again and again is asked for later: 503, not a fault', async () => {
  const server = await startApp()
  onTestFinished(() => server.stop())
  const { id } = (await server.probe({}, { runAt: '2999-01-01T00:00:00Z' })).json
  const execute = vi
    .spyOn(server.app.ports.executor, 'execute')
    .mockRejectedValueOnce(new RevisionConflict(`operation-${id}`, 0, 1))
  const answer = await server.ask(`POST /v1/operations/${id}/cancel`)
  expect(execute).toHaveBeenCalledOnce()
  expect([answer.status, answer.json.type]).toEqual([503, 'urn:intendant:problem:overloaded'])
  expect(answer.headers.get('retry-after')).toBe('1')
  expect((await server.ask(`POST /v1/operations/${id}/cancel`)).json).toMatchObject({ state: 'cancelled' })
})

test('while the log is so slow that many commands wait, the next ones are refused at once and reads are answered', async () => {
  const server = await startApp()
  onTestFinished(() => server.stop())
  const { id } = (await server.probe({}, { runAt: '2999-01-01T00:00:00Z' })).json
  vi.spyOn(server.app.ports.executor, 'isBehind').mockReturnValueOnce(true)
  const refused = await server.ask(`POST /v1/operations/${id}/cancel`, { headers: { 'Idempotency-Key': 'once' } })
  expect([refused.status, refused.json.type, refused.headers.get('retry-after')]).toEqual([
    503,
    'urn:intendant:problem:overloaded',
    '1',
  ])
  vi.spyOn(server.app.ports.executor, 'isBehind').mockReturnValue(true)
  expect((await server.ask(`GET /v1/operations/${id}`)).json).toMatchObject({ state: 'pending' })
  vi.spyOn(server.app.ports.executor, 'isBehind').mockReturnValue(false)
  const again = await server.ask(`POST /v1/operations/${id}/cancel`, { headers: { 'Idempotency-Key': 'once' } })
  expect(again.json).toMatchObject({ state: 'cancelled' })
})
