import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { OperationEvent } from '../../../src/events/operation.ts'
import { newId } from '../../../src/lib/ids.ts'
import type { JsonObject } from '../../../src/lib/json.ts'
import { startGitServer, template } from '../../workers/robot/git-server.ts'
import { startApp, type TestApp } from '../app.ts'
import { openReceiver } from '../receiver.ts'

let app: TestApp
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())

const service = '7d8c1c0e-3e55-4e0f-8a55-4b7e8f9c0d11'
const eco = { appname: 'intendant', errormessage: 'no luck', exceptionclassname: 'Bad' }
const args = { speed: 3, key: { $sealed: 'v1.a.b', subject: `robotService-${service}` } }

const requested = (kind: string): OperationEvent => ({
  type: 'OperationRequested',
  data: {
    ...{ kind, face: 'robot', lane: null, priority: 10, runAt: null, input: { service, action: 'start', args } },
    policy: { attempts: 1, timeoutMs: 1_000, backoff: { initialMs: 0, factor: 1, maxMs: 0 }, whenLost: 'retry' },
    ...{ externalRef: null, parent: null, retryOf: null },
  },
})
const started: OperationEvent = {
  type: 'OperationStarted',
  data: { attempt: 1, worker: 'w', deadline: '2030-01-01T00:00:00.000Z' },
}
const failed = (details?: JsonObject, type = 'action-failed'): OperationEvent => ({
  type: 'OperationFailed',
  data: { attempt: 1, error: { type, message: 'no luck', retryable: true, ...(details && { details: details as never }) } },
})

/** An operation that has ended, as the log has it. The position of its end. */
const ended = async (end: OperationEvent, kind = 'robot.action'): Promise<string> => {
  const id = newId()
  const metadata = { correlationId: id, actor: { principal: 'test', face: 'robot', address: null }, schema: 1 }
  const events = [requested(kind), started, end].map(({ type, data }) => ({
    ...{ id: newId(), type, data: data as unknown as JsonObject, metadata },
  }))
  return (await app.app.ports.log.append(`operation-${id}`, 'noStream', events)).position
}

const opened = async (...answer: Parameters<typeof openReceiver>) => {
  const receiver = await openReceiver(...answer)
  const { json } = await app.ask('POST /robot/webhooks', { body: { url: receiver.url, kind: 'eco' } })
  return { ...receiver, close: () => app.ask(`DELETE /robot/webhooks/${json.id}`) }
}

const deliveriesOf = async () => (await app.ask('GET /v1/operations?kind=robot.webhook')).json.items

describe('a task that has failed for good', () => {
  test('is told to every address, with its secrets masked', async () => {
    const [one, other] = [await opened(), await opened()]
    await ended(failed({ eco }))
    for (const { until, deliveries, close } of [one, other]) {
      await until((all) => all.length > 0)
      expect(deliveries.map(({ event }) => event)).toEqual([
        { service, action_name: 'start', args: { speed: 3, key: '***' }, eco },
      ])
      expect(deliveries[0]?.headers['content-type']).toBe('application/json')
      await close()
    }
  })

  test('is told with an eco of its end where its work reported none; what is expected, cancelled or no task is not told', async () => {
    const { until, deliveries, close } = await opened()
    await ended(failed({ eco, expected: true }))
    await ended({ type: 'OperationCancelled', data: { attempt: 1, reason: null } })
    await ended(failed({ eco }), 'robot.validate')
    await ended(failed(undefined, 'worker-lost'))
    await ended({ type: 'OperationTimedOut', data: { attempt: 1, timeoutMs: 1_000 } })
    await until((all) => all.length >= 2)
    const classes = deliveries.map(({ event }) => event.eco.exceptionclassname)
    expect(classes.toSorted()).toEqual(['InterruptedError', 'TimeoutError'])
    await close()
  })

  test('is told three times at most, and the operation says what was answered', async () => {
    const { until, deliveries, close } = await opened(() => 500)
    await ended(failed({ eco }))
    await until((all) => all.length >= 3)
    const { id } = (await deliveriesOf())[0]
    const operation = (await app.ask(`GET /v1/operations/${id}?wait=30`)).json
    expect(operation).toMatchObject({
      ...{ state: 'failed', attempt: 3, face: 'robot', lane: null },
      error: { type: 'refused', message: 'the receiver answered 500', details: { status: 500 } },
    })
    expect(deliveries).toHaveLength(3)
    await close()
  })

  test('is told where the address moved to, with the credentials of the address', async () => {
    const target = await openReceiver()
    const first = await openReceiver(() => ({ status: 307, headers: { Location: `${target.url}/moved` } }))
    const url = first.url.replace('://', '://ann:p%40ss@')
    const { json } = await app.ask('POST /robot/webhooks', { body: { url, kind: 'eco' } })
    await ended(failed({ eco }))
    await target.until((all) => all.length > 0)
    expect(target.deliveries[0]?.event).toMatchObject({ service })
    expect(first.deliveries[0]?.headers.authorization).toBe(`Basic ${Buffer.from('ann:p@ss').toString('base64')}`)
    await app.ask(`DELETE /robot/webhooks/${json.id}`)
  })
})

test('a program that fails is told once, after its last try; one that expects it is not', async () => {
  const git = await startGitServer()
  onTestFinished(() => git.stop())
  const repository = git.repository('failing')
  const expected = JSON.stringify({ error: { message: 'as planned', expected: true } })
  const secret = { schema: { type: 'string', 'x-secret': true } }
  const actions = {
    fail: { run: ['sh', '-c', 'echo no luck >&2; exit 3'], args: { key: secret, n: {} }, retry: { tries: 2, delay: 0.1 } },
    expects: { run: ['sh', '-c', `echo '${expected}'; exit 1`] },
  }
  repository.commit(template('vm', { actions }))
  await app.ask('POST /templates', { body: { url: repository.url } })
  const { guid } = (await app.ask('POST /services', { body: { template: 'vm' } })).json
  const { until, deliveries, close } = await opened()
  const tasks = `/services/${guid}/task_list`
  await app.ask(`POST ${tasks}`, { body: { action_name: 'expects' } })
  const { json } = await app.ask(`POST ${tasks}`, { body: { action_name: 'fail', args: { key: 's3cret', n: 1 } } })
  await until((all) => all.length > 0)
  const task = (await app.ask(`GET ${tasks}/${json.guid}`)).json
  expect(deliveries.map(({ event }) => event)).toEqual([
    { service: guid, action_name: 'fail', args: { key: '***', n: 1 }, eco: task.eco },
  ])
  expect(task).toMatchObject({ args: { key: '***', n: 1 }, eco: { errormessage: 'no luck', occurrences: 2 } })
  await close()
})

test('an address that was added later is not told, also after a restart', async () => {
  const { close } = await opened()
  await ended(failed({ eco: { ...eco, errormessage: 'before' } }))
  await close()
  const { until, deliveries } = await opened()
  await app.app.stop()
  app = await startApp({}, { dataDir: app.dataDir })
  await ended(failed({ eco: { ...eco, errormessage: 'after' } }))
  await until((all) => all.length > 0)
  expect(deliveries.map(({ event }) => event.eco.errormessage)).toEqual(['after'])
})

test('an address that is not allowed is not reached', async () => {
  const other = await startApp({ ROBOT_ALLOW_PRIVATE: 'false' })
  const { url, deliveries } = await openReceiver()
  const context = { commandId: newId(), correlationId: 'c', actor: { principal: 'test', face: 'robot', address: null } }
  const input = { url, report: { service, action_name: 'start', args: {}, eco } }
  await other.app.ports.submit({ kind: 'robot.webhook', input }, context, { internal: true })
  const operation = (await other.ask(`GET /v1/operations/${context.commandId}?wait=30`)).json
  expect(operation).toMatchObject({ state: 'failed', attempt: 1, error: { type: 'target-refused' } })
  expect(deliveries).toEqual([])
  await other.stop()
})

test('the kind cannot be submitted by clients', async () => {
  const answer = await app.ask('POST /v1/operations', { body: { kind: 'robot.webhook', input: {} } })
  expect(answer).toMatchObject({ status: 403, json: { type: 'urn:intendant:problem:kind-not-submittable' } })
  expect((await app.ask('GET /v1/kinds')).text).toContain('robot.webhook')
})
