import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type KubernetesApi, startKubernetesApi } from '../../workers/clusters/kubernetes-api.ts'
import { type Answer, startApp, type TestApp } from '../app.ts'
import { newHost, readyHost } from './ready-host.ts'

let it: TestApp
let api: KubernetesApi
let count = 0
/** Names and addresses of each test are its own. */
let name: string
let hosts: readonly [string, string, string]

beforeAll(async () => {
  it = await startApp()
  api = await startKubernetesApi({ token: 'secret' })
  await it.ask('PUT /api/v0/containermanager/os', { body: { options: { apiserver: api.url, token: 'secret' } } })
  await it.ask('PUT /api/v0/containermanager/still', { body: { type: 'trivial' } })
})
afterAll(async () => {
  await it.stop()
  await api.stop()
})
beforeEach(() => {
  count++
  name = `c${count}`
  hosts = [`10.0.${count}.1`, `10.0.${count}.2`, `10.0.${count}.3`]
  api.behave(undefined)
  api.nodes.clear()
})

const cluster = (manager?: string) =>
  it.ask(`PUT /api/v0/cluster/${name}`, { body: manager === undefined ? {} : { container_manager: manager } })
const add = (address: string, of = name): Promise<Answer> => it.ask(`PUT /api/v0/cluster/${of}/hosts/${address}`, { raw: '{}' })
const remove = (address: string) => it.ask(`DELETE /api/v0/cluster/${name}/hosts/${address}`, { raw: '{}' })
const replace = (old: readonly string[], next: readonly string[]) =>
  it.ask(`PUT /api/v0/cluster/${name}/hosts`, { raw: JSON.stringify({ old, new: next }) })
const members = async (of = name): Promise<readonly string[]> => (await it.ask(`GET /api/v0/cluster/${of}/hosts`)).json
const statusOf = async (address: string): Promise<string> => (await it.ask(`GET /api/v0/host/${address}`)).json.status
const requestsSince = (before: number) => api.requests.slice(before)

const expectError = (answer: Answer, status: number, words: string, reason?: string): void => {
  expect({ status: answer.status, text: answer.text, type: answer.headers.get('content-type') }).toEqual({
    status,
    text: words,
    type: 'text/html',
  })
  if (reason !== undefined) expect(answer.headers.get('x-intendant-error')).toContain(reason)
}

describe('PUT cluster/{name}/hosts/{host}', () => {
  test('a host of a managed cluster is registered, then a member, and active', async () => {
    await cluster('os')
    await readyHost(it, hosts[0])
    const before = api.requests.length
    const answer = await add(hosts[0])
    expect([answer.status, answer.json]).toEqual([200, [hosts[0]]])
    expect(answer.headers.get('event-position')).not.toBeNull()
    expect(answer.headers.get('operation-id')).toBeNull()
    expect(api.nodes).toEqual(new Set([hosts[0]]))
    expect(await members()).toEqual([hosts[0]])
    expect(await statusOf(hosts[0])).toBe('active')
    // Once more: nothing happens.
    expect((await add(hosts[0])).status).toBe(200)
    expect(requestsSince(before)).toEqual(['POST /api/v1/nodes'])
    const joined = (await Array.fromAsync(it.app.ports.log.readStream(`clusterHost-${hosts[0]}`))).at(-1)
    expect(joined?.data).toMatchObject({ cluster: name, operationId: expect.any(String) })
  })

  test('a host of a cluster without manager is a member, and disassociated', async () => {
    await cluster()
    await readyHost(it, hosts[0])
    expect((await add(hosts[0])).json).toEqual([hosts[0]])
    expect(await members()).toEqual([hosts[0]])
    expect(await statusOf(hosts[0])).toBe('disassociated')
    expect((await add(hosts[0])).status).toBe(200)
  })

  test('a trivial manager takes every host', async () => {
    await cluster('still')
    await readyHost(it, hosts[0])
    expect((await add(hosts[0])).status).toBe(200)
    expect(await statusOf(hosts[0])).toBe('active')
  })

  test('a refusal is 500 and no membership; a repetition goes on', async () => {
    await cluster('os')
    await readyHost(it, hosts[0])
    api.behave((_request, response) => void response.writeHead(403).end('{"message": "no nodes for you"}'))
    expectError(await add(hosts[0]), 500, 'Internal Server Error', 'answered 403: no nodes for you')
    expect(await members()).toEqual([])
    expect(await statusOf(hosts[0])).toBe('disassociated')
    api.behave(undefined)
    expect((await add(hosts[0])).status).toBe(200)
    expect(await statusOf(hosts[0])).toBe('active')
  })

  test('a member whose node is not registered is registered again; refused it stays a member', async () => {
    await cluster()
    await readyHost(it, hosts[0])
    await add(hosts[0])
    await cluster('os')
    api.behave((_request, response) => void response.writeHead(500).end())
    expectError(await add(hosts[0]), 500, 'Internal Server Error')
    expect(await members()).toEqual([hosts[0]])
    api.behave(undefined)
    expect((await add(hosts[0])).status).toBe(200)
    expect(await statusOf(hosts[0])).toBe('active')
    expect(await members()).toEqual([hosts[0]])
  })

  test('a manager that is not configured refuses', async () => {
    await cluster('nowhere')
    await readyHost(it, hosts[0])
    expectError(await add(hosts[0]), 500, 'Internal Server Error', 'there is no container manager "nowhere"')
  })

  test('404, then 405, then 409', async () => {
    await cluster()
    await readyHost(it, hosts[0])
    expectError(await add(hosts[0], 'no-cluster'), 404, 'Not Found')
    expectError(await add('no-host'), 404, 'Not Found')
    await newHost(it, hosts[1])
    const early = `Host ${hosts[1]} (status: investigating) not ready to join cluster "${name}"`
    expectError(await add(hosts[1]), 405, 'Method Not Allowed', early)
    await add(hosts[0])
    await it.ask(`PUT /api/v0/cluster/${name}-b`)
    expectError(await add(hosts[0], `${name}-b`), 409, 'Conflict')
    expect(await members(`${name}-b`)).toEqual([])
  })

  test('of two clusters that want a host at once, one gets it', async () => {
    await cluster('os')
    await it.ask(`PUT /api/v0/cluster/${name}-b`, { body: { container_manager: 'os' } })
    await readyHost(it, hosts[0])
    const answers = await Promise.all([add(hosts[0]), add(hosts[0], `${name}-b`)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
    expect([...(await members()), ...(await members(`${name}-b`))]).toEqual([hosts[0]])
  })
})

describe('DELETE cluster/{name}/hosts/{host}', () => {
  test('the node is removed, then the membership; an active host is disassociated', async () => {
    await cluster('os')
    await readyHost(it, hosts[0])
    await add(hosts[0])
    const answer = await remove(hosts[0])
    expect([answer.status, answer.json]).toEqual([200, []])
    expect(api.nodes).toEqual(new Set())
    expect(await members()).toEqual([])
    expect(await statusOf(hosts[0])).toBe('disassociated')
    // Who is no member is none afterwards.
    expect((await remove(hosts[0])).status).toBe(200)
    expect((await remove('no-host')).json).toEqual([])
  })

  test('a manager that fails is no error; its refusal is on the record', async () => {
    await cluster('os')
    await readyHost(it, hosts[0])
    await add(hosts[0])
    api.behave((_request, response) => void response.writeHead(503).end())
    expect((await remove(hosts[0])).status).toBe(200)
    expect(await members()).toEqual([])
    const { items } = (await it.ask('GET /v1/operations?kind=clusters.unregister&state=failed&limit=1')).json
    expect(items[0].error.details.nodes).toMatchObject([{ address: hosts[0], wanted: 'gone', done: false }])
  })

  test('a node is removed where it was registered, and a configuration that is gone has none', async () => {
    await it.ask(`PUT /api/v0/containermanager/${name}`, { body: { options: { apiserver: api.url, token: 'secret' } } })
    await cluster(name)
    await readyHost(it, hosts[0])
    await readyHost(it, hosts[1])
    await add(hosts[0])
    await add(hosts[1])
    await cluster('still')
    await remove(hosts[0])
    expect(api.nodes).toEqual(new Set([hosts[1]]))
    await it.ask(`DELETE /api/v0/containermanager/${name}`)
    const before = api.requests.length
    expect((await remove(hosts[1])).status).toBe(200)
    expect(api.requests.length).toBe(before)
  })

  test('404 without the cluster', async () => {
    expectError(await remove(hosts[0]), 404, 'Not Found')
  })
})

describe('PUT cluster/{name}/hosts', () => {
  test('removals first, then additions in the order of new; both lists are sets', async () => {
    await cluster('os')
    for (const address of hosts) await readyHost(it, address)
    const [a, b, c] = hosts
    const first = await replace([], [b, a, b])
    expect([first.status, first.json]).toEqual([
      200,
      { name, status: 'ok', network: 'default', container_manager: 'os', hostset: [b, a] },
    ])
    const before = api.requests.length
    const second = await replace([a, b, a], [c, b])
    expect(second.json.hostset).toEqual([b, c])
    expect(requestsSince(before)).toEqual([`DELETE /api/v1/nodes/${a}`, 'POST /api/v1/nodes'])
    expect([await statusOf(a), await statusOf(b), await statusOf(c)]).toEqual(['disassociated', 'active', 'active'])
  })

  test('what changes nothing is answered and not recorded', async () => {
    await cluster()
    await readyHost(it, hosts[0])
    await replace([], [hosts[0]])
    const recorded = async () => (await Array.fromAsync(it.app.ports.log.readStream(`cluster-${name}`))).length
    const before = await recorded()
    const answer = await replace([hosts[0]], [hosts[0]])
    expect([answer.status, answer.json.hostset]).toEqual([200, [hosts[0]]])
    expect(await recorded()).toBe(before)
  })

  test('hosts of an unmanaged cluster are replaced by one operation, too', async () => {
    await cluster()
    await readyHost(it, hosts[0])
    const answer = await replace([], [hosts[0]])
    expect(answer.json).toMatchObject({ status: 'failed', hostset: [hosts[0]] })
    const replaced = (await Array.fromAsync(it.app.ports.log.readStream(`cluster-${name}`))).at(-1)
    expect(replaced).toMatchObject({ type: 'ClusterHostsReplaced', data: { old: [], new: [hosts[0]] } })
    expect((await it.ask(`GET /v1/operations/${replaced?.data.operationId}`)).json).toMatchObject({
      kind: 'clusters.register',
      state: 'succeeded',
      lane: `members:${name}`,
    })
  })

  test('a host that is refused ends it: those before are members, a repetition goes on', async () => {
    await cluster('os')
    for (const address of hosts) await readyHost(it, address)
    const [a, b, c] = hosts
    let asked = 0
    api.behave((_request, response) => void response.writeHead(++asked === 2 ? 403 : 201).end('{}'))
    expectError(await replace([], [a, b, c]), 500, 'Internal Server Error', b)
    expect(await members()).toEqual([a])
    expect(asked).toBe(2)
    api.behave(undefined)
    expectError(await replace([], [a, b, c]), 409, 'Conflict')
    expect((await replace([a], [a, b, c])).json.hostset).toEqual([a, b, c])
  })

  test.each([
    ['no old', { new: [] }],
    ['no new', { old: [] }],
    ['old that is null', { old: null, new: [] }],
    ['new that is no list', { old: [], new: 'a' }],
    ['no texts', { old: [], new: [1] }],
  ])('400 for %s, before the cluster is looked for', async (_name, body) => {
    expectError(await it.ask(`PUT /api/v0/cluster/${name}/hosts`, { raw: JSON.stringify(body) }), 400, 'Bad Request')
  })

  test('404, then 409 for another old, then 404, 405 and 409 for the additions', async () => {
    expectError(await replace([], []), 404, 'Not Found')
    await cluster()
    await readyHost(it, hosts[0])
    await newHost(it, hosts[1])
    await newHost(it, hosts[2])
    expectError(await replace(['x'], ['no-host']), 409, 'Conflict', `Conflict setting hosts for cluster ${name}`)
    expectError(await replace([], ['no-host', hosts[1]]), 404, 'Not Found')
    const early = `Hosts not ready to join cluster "${name}": ${hosts[1]},${hosts[2]}`
    expectError(await replace([], [hosts[0], hosts[1], hosts[2]]), 405, 'Method Not Allowed', early)
    await it.ask(`PUT /api/v0/cluster/${name}-b`)
    await add(hosts[0], `${name}-b`)
    expectError(await replace([], [hosts[0]]), 409, 'Conflict')
    expect(await members()).toEqual([])
  })

  test('members stay whatever their status', async () => {
    await cluster()
    const [a, b] = hosts
    await it.ask(`PUT /api/v0/host/${a}`, { body: { cluster: name } })
    await readyHost(it, b)
    expect((await replace([a], [b, a])).json.hostset).toEqual([a, b])
  })

  test('of two at once the later is 409, and so is one that comes while another is carried out', async () => {
    await cluster('os')
    for (const address of hosts) await readyHost(it, address)
    const [a, b, c] = hosts
    let release = (): void => {}
    const asked = api.asked(api.requests.length + 1)
    api.behave(async (_request, response) => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      api.behave(undefined)
      response.writeHead(201).end('{}')
    })
    const first = replace([], [a])
    await asked
    expectError(await replace([], [b]), 409, 'Conflict')
    release()
    expect((await first).status).toBe(200)
    const race = await Promise.all([replace([a], [b]), replace([a], [c])])
    expect(race.map(({ status }) => status).sort()).toEqual([200, 409])
    expect(await members()).toHaveLength(1)
  })
})
