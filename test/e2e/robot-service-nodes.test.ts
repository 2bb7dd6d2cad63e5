import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { canOwnEventStoreDb, ownEventStoreDb } from '../engines/own.ts'
import { kafkaBrokers } from '../engines/running.ts'
import { startGitServer, template } from '../workers/robot/git-server.ts'
import { type ClusterNode, openCluster } from './cluster.ts'
import { temporaryDirectory } from './harness.ts'

const sleep = { run: ['/bin/sh', '-c', 'exec sleep 600'] }
const boot = { run: ['/bin/sh', '-c', 'echo $INTENDANT_TASK_GUID >> booted'] }
const uid = (version: string): string => `127.0.0.1/acme/shared/vm/${version}`

const linesOf = (file: string): readonly string[] => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [])

describe.skipIf(!canOwnEventStoreDb || kafkaBrokers === undefined)('robot services on many nodes', () => {
  test('a name is given once, and any server upgrades and deletes what another one has created', {
    timeout: 180_000,
  }, async () => {
    const git = await startGitServer()
    onTestFinished(() => git.stop())
    const repository = git.repository('shared')
    repository.commit({
      ...template('vm', { version: '1.0.0', actions: { sleep }, hooks: { validate: { run: ['/bin/sh', '-c', 'true'] } } }),
      ...template('vm.2', { version: '2.0.0', actions: { sleep, boot } }),
    })
    const eventStoreDb = await ownEventStoreDb()
    onTestFinished(() => eventStoreDb.stop())
    const robot = temporaryDirectory()
    const cluster = openCluster({
      eventStoreDbUrl: eventStoreDb.url,
      kafkaBrokers: kafkaBrokers ?? '',
      env: { ROBOT_DIR: robot, LEASE_MS: '2000' },
    })
    const [one, two] = [cluster.server('server-1'), cluster.server('server-2')]
    await Promise.all([one, two, cluster.worker('worker-1'), cluster.worker('worker-2')].map((node) => node.start()))
    const ask = async (node: ClusterNode, line: string, body?: unknown) => {
      const [method, path] = line.split(' ') as [string, string]
      const response = await fetch(node.url() + path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
      const text = await response.text()
      return { status: response.status, json: text === '' ? undefined : JSON.parse(text) }
    }

    expect((await ask(one, 'POST /templates', { url: repository.url })).status).toBe(201)
    await expect.poll(async () => (await ask(two, 'GET /templates')).json, { timeout: 20_000 }).toHaveLength(2)
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        ask(n % 2 === 0 ? one : two, 'POST /services', { template: uid('1.0.0'), name: 'web' }),
      ),
    )
    const created = answers.filter(({ status }) => status === 201)
    expect(created).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(49)

    const { guid } = created[0]?.json ?? {}
    await expect.poll(async () => (await ask(two, `GET /services/${guid}`)).status, { timeout: 20_000 }).toBe(200)
    expect(await ask(two, `PUT /services/${guid}`, { template: uid('2.0.0') })).toMatchObject({
      status: 200,
      json: { version: '2.0.0' },
    })
    await ask(one, `POST /services/${guid}/task_list`, { action_name: 'sleep' })
    await expect
      .poll(async () => (await ask(two, `GET /services/${guid}/task_list`)).json[0]?.state, { timeout: 20_000 })
      .toBe('running')
    expect((await ask(two, `DELETE /services/${guid}`)).status).toBe(204)
    await expect.poll(async () => (await ask(one, `GET /services/${guid}`)).status, { timeout: 20_000 }).toBe(404)
    expect(existsSync(join(robot, 'services', guid))).toBe(false)

    // The same blueprint at both servers: each service once, the tasks of both.
    const names = ['a', 'b', 'c', 'd', 'e']
    const content = { services: names.map((name) => ({ [`vm__${name}`]: null })), actions: { action: 'boot' } }
    const sent = await Promise.all([one, two].map((node) => ask(node, 'POST /blueprints', { content })))
    expect(sent.map(({ status, json }) => [status, json.length])).toEqual([
      [200, 5],
      [200, 5],
    ])
    const services: readonly { guid: string; name: string }[] = (await ask(one, 'GET /services')).json
    expect(services.map(({ name }) => name).toSorted()).toEqual(names)
    const ids: readonly string[] = sent.flatMap(({ json }) => json.map((task: { guid: string }) => task.guid))
    const booted = () => services.flatMap((service) => linesOf(join(robot, 'services', service.guid, 'booted')))
    await expect.poll(() => booted().toSorted(), { timeout: 60_000 }).toEqual(ids.toSorted())
  })
})
