import { afterAll, beforeAll, expect, test } from 'vitest'
import { fastClock } from '../../fast-clock.ts'
import { type KubernetesApi, startKubernetesApi } from '../../workers/clusters/kubernetes-api.ts'
import { startApp, type TestApp } from '../app.ts'
import { readyHost } from './ready-host.ts'

const times = 5
const clock = fastClock(times)
let it: TestApp
let api: KubernetesApi

beforeAll(async () => {
  it = await startApp({ LEASE_MS: '60000' }, { clock })
  api = await startKubernetesApi()
  await it.ask('PUT /api/v0/containermanager/os', { body: { options: { apiserver: api.url } } })
})
afterAll(async () => {
  await it.stop()
  await api.stop()
})

const clusterWith = async (name: string, members: readonly string[], others: readonly string[] = []): Promise<void> => {
  await it.ask(`PUT /api/v0/cluster/${name}`, { body: { container_manager: 'os' } })
  for (const address of [...members, ...others]) await readyHost(it, address)
  for (const address of members) expect((await it.ask(`PUT /api/v0/cluster/${name}/hosts/${address}`)).status).toBe(200)
}
const membersOf = async (name: string): Promise<readonly string[]> => (await it.ask(`GET /api/v0/cluster/${name}/hosts`)).json
/** The status, and that it came when the time was over and not much later. */
const whenOver = async (line: string, body?: object): Promise<number> => {
  const began = clock.monotonic()
  const { status } = await it.ask(line, body === undefined ? {} : { body })
  const took = clock.monotonic() - began
  expect(took).toBeGreaterThanOrEqual(9_900)
  // A loaded machine makes the program's own steps long, times the factor of the clock.
  expect(took).toBeLessThan(10_000 + 2_000 * times)
  return status
}

test('a manager that hangs costs 10 s in all, and counts as one that refuses', async () => {
  await clusterWith('replaced', ['a1'], ['a2', 'a3'])
  await clusterWith('joined', [], ['b1'])
  await clusterWith('deleted', ['c1', 'c2'])
  await clusterWith('left', ['d1'])
  await clusterWith('host', ['e1'])
  api.behave(() => undefined)
  const statuses = await Promise.all([
    whenOver('PUT /api/v0/cluster/replaced/hosts', { old: ['a1'], new: ['a2', 'a3'] }),
    whenOver('PUT /api/v0/cluster/joined/hosts/b1'),
    whenOver('DELETE /api/v0/cluster/deleted'),
    whenOver('DELETE /api/v0/cluster/left/hosts/d1'),
    whenOver('DELETE /api/v0/host/e1'),
    whenOver('GET /api/v0/host/c1/status'),
  ])
  expect(statuses).toEqual([500, 500, 500, 200, 200, 200])
  const cancelled = async (): Promise<readonly string[]> => {
    const { items } = (await it.ask('GET /v1/operations?state=cancelled')).json
    return items.map(({ lane }: { lane: string }) => lane).sort()
  }
  const lanes = ['deleted', 'host', 'joined', 'left', 'replaced'].map((name) => `members:${name}`)
  await expect.poll(cancelled, { timeout: 20_000 }).toEqual(lanes)
  expect(await membersOf('replaced')).toEqual(['a1'])
  expect(await membersOf('joined')).toEqual([])
  expect(await membersOf('deleted')).toEqual(['c1', 'c2'])
  expect(await membersOf('left')).toEqual([])
  expect((await it.ask('GET /api/v0/host/e1')).status).toBe(404)
  // Repetitions go on as soon as the manager does.
  api.behave(undefined)
  expect((await it.ask('PUT /api/v0/cluster/replaced/hosts', { body: { old: ['a1'], new: ['a2', 'a3'] } })).status).toBe(200)
  expect((await it.ask('PUT /api/v0/cluster/joined/hosts/b1')).status).toBe(200)
  expect((await it.ask('DELETE /api/v0/cluster/deleted')).status).toBe(200)
})

test('a registration that comes through too late is undone, and one that was repeated is not', async () => {
  await clusterWith('late', [], ['f1', 'f2'])
  const slow: (() => void)[] = []
  api.behave((request, response) => {
    if (request.method !== 'POST') return void response.writeHead(404).end()
    slow.push(() => {
      api.nodes.add('f1')
      response.writeHead(201).end('{}')
    })
  })
  expect(await whenOver('PUT /api/v0/cluster/late/hosts/f1')).toBe(500)
  api.behave(undefined)
  for (const end of slow) end()
  expect(api.nodes.has('f1')).toBe(true)
  await expect.poll(() => api.nodes.has('f1'), { timeout: 30_000, interval: 50 }).toBe(false)
  expect(await membersOf('late')).toEqual([])

  api.behave(() => undefined)
  expect(await whenOver('PUT /api/v0/cluster/late/hosts/f2')).toBe(500)
  api.behave(undefined)
  expect((await it.ask('PUT /api/v0/cluster/late/hosts/f2')).status).toBe(200)
  const undone = async () => {
    const { items } = (await it.ask('GET /v1/operations?kind=clusters.unregister&state=succeeded&limit=1000')).json
    return items.filter(({ input }: { input: { nodes: { address: string }[] } }) => input.nodes[0]?.address === 'f2').length
  }
  await expect.poll(undone, { timeout: 30_000, interval: 100 }).toBeGreaterThanOrEqual(2)
  expect(api.nodes.has('f2')).toBe(true)
})
