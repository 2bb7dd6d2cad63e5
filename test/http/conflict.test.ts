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
