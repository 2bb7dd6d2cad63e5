import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cluster } from '../../../src/commands/clusters/cluster.ts'
import { investigateKind } from '../../../src/commands/clusters/investigation.ts'
import { operationStream } from '../../../src/commands/operation.ts'
import { hostSubject } from '../../../src/events/clusters/host.ts'
import { SecretForgotten } from '../../../src/lib/errors.ts'
import { newId } from '../../../src/lib/ids.ts'
import { clustersView } from '../../../src/projections/clusters/clusters.ts'
import { requested } from '../../projections/harness.ts'
import { type KubernetesApi, startKubernetesApi } from '../../workers/clusters/kubernetes-api.ts'
import { startApp, type TestApp } from '../app.ts'
import { newHost, readyHost } from './ready-host.ts'

let it: TestApp
let api: KubernetesApi
let count = 0
/** Names and addresses of each test are its own. */
let name: string
let hosts: readonly [string, string, string]

beforeAll(async () => {
  it = await startApp()
  api = await startKubernetesApi()
  await it.ask('PUT /api/v0/containermanager/os', { body: { options: { server_url: api.url } } })
  await it.ask('PUT /api/v0/containermanager/still', { body: { type: 'trivial' } })
})
afterAll(async () => {
  await it.stop()
  await api.stop()
})
beforeEach(() => {
  count++
  name = `c${count}`
  hosts = [`10.1.${count}.1`, `10.1.${count}.2`, `10.1.${count}.3`]
  api.behave(undefined)
  api.nodes.clear()
})

/** A cluster with ready hosts as its members. */
const clusterWith = async (manager: string, ...addresses: readonly string[]): Promise<void> => {
  await it.ask(`PUT /api/v0/cluster/${name}`, { body: { container_manager: manager } })
  for (const address of addresses) {
    await readyHost(it, address)
    expect((await it.ask(`PUT /api/v0/cluster/${name}/hosts/${address}`)).status).toBe(200)
  }
}
/** As commctl sends it. */
const remove = async (path: string) => {
  const { status, text, json } = await it.ask(`DELETE /api/v0/${path}`, { raw: '{}' })
  return [status, json ?? text]
}
const statusOf = async (address: string): Promise<string> => (await it.ask(`GET /api/v0/host/${address}`)).json.status

describe('DELETE cluster/{name}', () => {
  test('the nodes of its members are removed, no others; its hosts stay, disassociated', async () => {
    await clusterWith('os', hosts[0], hosts[1])
    api.nodes.add('foreign')
    expect(await remove(`cluster/${name}`)).toEqual([200, []])
    expect(api.nodes).toEqual(new Set(['foreign']))
    expect((await it.ask(`GET /api/v0/cluster/${name}`)).status).toBe(404)
    expect([await statusOf(hosts[0]), await statusOf(hosts[1])]).toEqual(['disassociated', 'disassociated'])
    const events = await Array.fromAsync(it.app.ports.log.readStream(`clusterHost-${hosts[0]}`))
    expect(events.at(-1)).toMatchObject({ type: 'HostLeftCluster', data: { cluster: name, reason: 'clusterDeleted' } })
    expect(await remove(`cluster/${name}`)).toEqual([404, 'Not Found'])
  })

  test('a refusal is 500: cluster and members stay, those whose node is gone disassociated; a repetition goes on', async () => {
    const [a, b] = hosts
    await clusterWith('os', a, b)
    api.behave((request, response) => void response.writeHead(request.url?.endsWith(`/${a}`) ? 200 : 403).end('{}'))
    expect(await remove(`cluster/${name}`)).toEqual([500, 'Internal Server Error'])
    expect((await it.ask(`GET /api/v0/cluster/${name}`)).json).toMatchObject({
      ...{ status: 'degraded', hostset: [a, b] },
      hosts: { total: 2, available: 1, unavailable: 1 },
    })
    expect([await statusOf(a), await statusOf(b)]).toEqual(['disassociated', 'active'])
    api.behave(undefined)
    const before = api.requests.length
    expect(await remove(`cluster/${name}`)).toEqual([200, []])
    expect(api.requests.slice(before)).toEqual([`DELETE /api/v1/nodes/${b}`])
  })

  test('without manager, with one whose configuration is gone, and without members', async () => {
    await clusterWith('', hosts[0])
    expect(await remove(`cluster/${name}`)).toEqual([200, []])
    await it.ask(`PUT /api/v0/containermanager/${name}`, { body: { options: { server_url: api.url } } })
    await clusterWith(name, hosts[1])
    await it.ask(`DELETE /api/v0/containermanager/${name}`)
    const before = api.requests.length
    expect(await remove(`cluster/${name}`)).toEqual([200, []])
    expect(api.requests.length).toBe(before)
    await it.ask(`PUT /api/v0/cluster/${name}`)
    expect(await remove(`cluster/${name}`)).toEqual([200, []])
  })

  test('hosts that a crash left as members of a deleted cluster are none, and may join others', async () => {
    const [a, b] = hosts
    await clusterWith('os', a, b)
    const { executor, projections } = it.app.ports
    const context = {
      commandId: newId(),
      correlationId: newId(),
      actor: { principal: 'tester', face: 'clusters', address: null },
    }
    const deleted = await executor.execute(cluster, { type: 'DeleteCluster', name, members: [a, b] }, context)
    if (deleted.refused !== undefined || deleted.position === null) return expect.unreachable()
    await projections.reached(deleted.position, { names: [clustersView] })
    expect(await statusOf(a)).toBe('disassociated')
    await it.ask(`PUT /api/v0/cluster/${name}-b`)
    await it.ask(`PUT /api/v0/cluster/${name}-c`, { body: { container_manager: 'os' } })
    expect((await it.ask(`PUT /api/v0/cluster/${name}-b/hosts/${a}`)).status).toBe(200)
    expect((await it.ask(`PUT /api/v0/cluster/${name}-c/hosts/${b}`)).status).toBe(200)
    expect([await statusOf(a), await statusOf(b)]).toEqual(['disassociated', 'active'])
    expect((await it.ask(`GET /api/v0/cluster/${name}-b/hosts`)).json).toEqual([a])
  })

  test('a cluster of the same name afterwards has none of its members, and takes them', async () => {
    await clusterWith('os', hosts[0])
    await remove(`cluster/${name}`)
    await it.ask(`PUT /api/v0/cluster/${name}`, { body: { container_manager: 'os' } })
    expect((await it.ask(`GET /api/v0/cluster/${name}`)).json).toMatchObject({ status: 'ok', hostset: [] })
    expect((await it.ask(`PUT /api/v0/cluster/${name}/hosts/${hosts[0]}`)).status).toBe(200)
    expect(await statusOf(hosts[0])).toBe('active')
  })
})

describe('DELETE host/{address}', () => {
  test('node, membership and key are gone, and the address may come back', async () => {
    await clusterWith('os', hosts[0])
    const { registration } = (await hostEvents(hosts[0])).registered
    expect(await remove(`host/${hosts[0]}`)).toEqual([200, []])
    expect(api.nodes).toEqual(new Set())
    expect((await it.ask(`GET /api/v0/host/${hosts[0]}`)).status).toBe(404)
    expect((await it.ask(`GET /api/v0/cluster/${name}/hosts`)).json).toEqual([])
    const { key, types } = await hostEvents(hosts[0])
    expect(types.slice(-2)).toEqual(['HostLeftCluster', 'HostDeleted'])
    await expect(it.app.ports.unseal(key)).rejects.toBeInstanceOf(SecretForgotten)
    const { items } = (await it.ask('GET /v1/secrets?limit=1000')).json
    const subject = items.find((item: { subject: string }) => item.subject === hostSubject(registration))
    expect(subject.forgottenAt).not.toBeNull()
    expect(await remove(`host/${hosts[0]}`)).toEqual([404, 'Not Found'])
    await newHost(it, hosts[0])
    expect(await statusOf(hosts[0])).toBe('investigating')
  })

  test('a manager that refuses does not keep the host', async () => {
    await clusterWith('os', hosts[0])
    api.behave((_request, response) => void response.writeHead(403).end())
    expect(await remove(`host/${hosts[0]}`)).toEqual([200, []])
    expect((await it.ask(`GET /api/v0/host/${hosts[0]}`)).status).toBe(404)
  })

  test('its investigation is cancelled', async () => {
    const host = await newHost(it, hosts[0])
    const { log, projections } = it.app.ports
    const id = newId()
    const runAt = '2100-01-01T00:00:00.000Z'
    const { position } = await log.append(operationStream(id), 'noStream', [
      requested({ kind: investigateKind, input: { ...host }, runAt }),
    ])
    await projections.reached(position, { names: [clustersView, 'operations'] })
    expect(await remove(`host/${hosts[0]}`)).toEqual([200, []])
    expect((await it.ask(`GET /v1/operations/${id}`)).json).toMatchObject({ state: 'cancelled' })
  })

  const hostEvents = async (address: string) => {
    const events = await Array.fromAsync(it.app.ports.log.readStream(`clusterHost-${address}`))
    const registered = events.find(({ type }) => type === 'HostRegistered')
    if (registered === undefined) return expect.unreachable()
    // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
    const key = registered.data.key as any
    return { registered: { registration: registered.id }, key, types: events.map(({ type }) => type) }
  }
})

describe('GET host/{address}/status', () => {
  const status = async (address: string, headers = {}) => {
    const { status, json } = await it.ask(`GET /api/v0/host/${address}/status`, { headers })
    return [status, json]
  }
  const answer = (container_manager: object) => [
    200,
    {
      type: 'host_only',
      host: { last_check: expect.stringMatching(/^\d{4}-.*\.\d{6}$/), status: expect.any(String) },
      container_manager,
    },
  ]

  test('what the manager says of the node, whole', async () => {
    await clusterWith('os', hosts[0])
    const node = { kind: 'Node', metadata: { name: hosts[0] }, status: { conditions: [{ type: 'Ready' }] } }
    expect(await status(hosts[0])).toEqual(answer(expect.objectContaining({ kind: 'Node', apiVersion: 'v1' })))
    expect((await status(hosts[0]))[1].container_manager).toMatchObject(node)
    await clusterWith('still', hosts[1])
    expect(await status(hosts[1])).toEqual(answer({ node: hosts[1], status: 'ok' }))
  })

  test('nothing where the manager fails, is not there, or the moment is past', async () => {
    await clusterWith('os', hosts[0])
    const position = (await it.ask(`GET /api/v0/host/${hosts[0]}`)).headers.get('event-position') ?? ''
    const before = api.requests.length
    expect(await status(hosts[0], { 'As-Of': position })).toEqual(answer({}))
    expect(api.requests.length).toBe(before)
    api.behave((request) => void request.socket.destroy())
    expect(await status(hosts[0])).toEqual(answer({}))
    await it.ask(`PUT /api/v0/cluster/${name}`, { body: { container_manager: 'gone' } })
    expect(await status(hosts[0])).toEqual(answer({}))
    await it.ask(`PUT /api/v0/cluster/${name}`, { body: { container_manager: '' } })
    expect(await status(hosts[0])).toEqual(answer({}))
  })

  test('a host that nobody has looked at, and no host', async () => {
    await newHost(it, hosts[0])
    expect(await status(hosts[0])).toEqual([
      200,
      { type: 'host_only', host: { last_check: '', status: 'investigating' }, container_manager: {} },
    ])
    expect((await status('no-host'))[0]).toBe(404)
  })
})
