import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { canOwnEventStoreDb, ownEventStoreDb } from '../engines/own.ts'
import { kafkaBrokers } from '../engines/running.ts'
import { openReceiver } from '../http/receiver.ts'
import { startGitServer, template } from '../workers/robot/git-server.ts'
import { type ClusterNode, openCluster } from './cluster.ts'
import { type Json, temporaryDirectory } from './harness.ts'

const timeout = 180_000

const ask = async (node: ClusterNode, line: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) => {
  const [method = 'GET', path = '/'] = line.split(' ')
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await fetch(node.url() + path, { method, headers, ...sent })
  const text = await response.text()
  const position = response.headers.get('event-position') ?? ''
  return { status: response.status, json: (text === '' ? undefined : JSON.parse(text)) as Json, position }
}

test.skipIf(!canOwnEventStoreDb || kafkaBrokers === undefined)(
  'two servers open services by the same secrets, and tell each failed task once though one of them is killed',
  { timeout },
  async () => {
    const eventStoreDb = await ownEventStoreDb()
    onTestFinished(() => eventStoreDb.stop())
    const env = { ROBOT_DIR: join(temporaryDirectory(), 'robot') }
    const cluster = openCluster({ eventStoreDbUrl: eventStoreDb.url, kafkaBrokers: kafkaBrokers ?? '', env })
    const [one, two, worker] = [cluster.server('server-1'), cluster.server('server-2'), cluster.worker('worker')]
    await Promise.all([one, two, worker].map((node) => node.start()))
    const git = await startGitServer()
    onTestFinished(() => git.stop())
    const { url, commit } = git.repository('nodes')
    commit(template('vm', { actions: { fail: { run: ['sh', '-c', 'exit 3'], args: { n: {} } } } }))
    const { deliveries, until, url: hook } = await openReceiver()

    expect((await ask(one, 'POST /zrobot/0.9/templates', { url })).status).toBe(201)
    const created = await ask(one, 'POST /zrobot/0.9/services', { template: 'vm' })
    expect(created).toMatchObject({ status: 201, json: { secret: expect.any(String) } })
    const { guid, secret } = created.json
    const known = { ZrobotSecret: `Bearer ${secret}`, 'Event-Position': created.position }
    expect(await ask(two, `GET /zrobot/0.9/services/${guid}`, undefined, known)).toMatchObject({ status: 200, json: { guid } })
    expect((await ask(two, `GET /zrobot/0.9/services/${guid}`, undefined, { 'Event-Position': created.position })).status).toBe(
      401,
    )
    expect((await ask(two, 'GET /robot/info')).json).toMatchObject({ storage_healthy: true })

    await ask(one, 'POST /robot/webhooks', { url: hook, kind: 'eco' })
    const fail = (node: ClusterNode, n: number) =>
      ask(node, `POST /services/${guid}/task_list`, { action_name: 'fail', args: { n } })
    for (const n of [0, 1, 2]) expect((await fail(n === 1 ? one : two, n)).status).toBe(201)
    await until((all) => all.length >= 3)
    await one.kill('SIGKILL')
    for (const n of [3, 4, 5]) expect((await fail(two, n)).status).toBe(201)
    await until((all) => all.length >= 6)
    expect(deliveries.map(({ event }) => event.args.n).toSorted()).toEqual([0, 1, 2, 3, 4, 5])
  },
)
