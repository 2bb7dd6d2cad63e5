import { expect, onTestFinished, test } from 'vitest'
import { startApp } from '../http/app.ts'
import { readyHost } from '../http/clusters/ready-host.ts'
import { startKubernetesApi } from '../workers/clusters/kubernetes-api.ts'
import { startServer, temporaryDirectory } from './harness.ts'

const hosts = ['10.0.0.1', '10.0.0.2', '10.0.0.3'] as const

/** A data directory with a managed cluster and three hosts that are ready to join it. */
const prepare = async (apiserver: string): Promise<string> => {
  const dataDir = temporaryDirectory()
  const it = await startApp({}, { dataDir })
  await it.ask('PUT /api/v0/containermanager/os', { body: { options: { apiserver, token: 'secret' } } })
  await it.ask('PUT /api/v0/cluster/web', { body: { container_manager: 'os' } })
  for (const address of hosts) await readyHost(it, address)
  await it.app.stop()
  return dataDir
}

test('a server that is killed while hosts join goes on where it was: each is registered and joins once', async () => {
  const api = await startKubernetesApi({ token: 'secret' })
  onTestFinished(() => api.stop())
  const dataDir = await prepare(api.url)
  const env = { LEASE_MS: '1000' }
  const first = await startServer({ dataDir, env })
  // The first host is registered, the second one is asked for and not answered.
  const asked = api.asked(2)
  let count = 0
  api.behave((_request, response) => {
    if (++count === 1) {
      api.nodes.add(hosts[0])
      response.writeHead(201).end('{}')
    }
  })
  const body = JSON.stringify({ old: [], new: hosts })
  const answer = fetch(`${first.url}/api/v0/cluster/web/hosts`, { method: 'PUT', body }).then(
    ({ status }) => status,
    () => 'cut off',
  )
  await asked
  api.behave(undefined)
  first.kill('SIGKILL')
  await first.ended
  expect(await answer).toBe('cut off')

  const second = await startServer({ dataDir, env })
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  const json = async (path: string): Promise<any> => (await fetch(second.url + path)).json()
  const { items } = await json('/v1/operations?kind=clusters.register')
  expect(items).toHaveLength(1)
  expect(await json(`/v1/operations/${items[0].id}?wait=60`)).toMatchObject({ state: 'succeeded', attempt: 2 })
  expect(await json('/api/v0/cluster/web')).toMatchObject({
    ...{ status: 'ok', hostset: hosts },
    hosts: { total: 3, available: 3, unavailable: 0 },
  })
  expect(api.nodes).toEqual(new Set(hosts))
  // One for each host, and one more for that of the killed server.
  expect(api.requests).toEqual(Array(4).fill('POST /api/v1/nodes'))
  for (const address of hosts) {
    const { items: events } = await json(`/v1/streams/clusterHost-${address}`)
    expect(events.filter(({ type }: { type: string }) => type === 'HostJoinedCluster')).toHaveLength(1)
  }
  expect(second.output()).not.toContain('secret')
})
