import { hashSync } from 'bcryptjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sayTo } from '../raw.ts'
import { type ClustersApp, startClusters } from './clusters-app.ts'

/** Requests byte for byte as commctl sends them: a session of Python's requests with a JSON type on every request, `GET` too, and `{}` with every `DELETE`. */
const password = 'secret:of:ann'
let it: ClustersApp
beforeAll(async () => {
  const users = JSON.stringify({ ann: { hash: hashSync(password, 4) } })
  it = await startClusters({ CLUSTERS_USERS: users, CLUSTERS_WATCH: 'false' })
})
afterAll(() => it.stop())

const commctl = async (line: string, body?: string, user = `ann:${password}`) => {
  const sent = [
    `${line} HTTP/1.1`,
    `Host: ${new URL(it.url).host}`,
    'User-Agent: python-requests/2.12.4',
    'Accept-Encoding: gzip, deflate',
    'Accept: */*',
    // It would be kept open; the test wants to hear the end.
    'Connection: close',
    'Content-Type: application/json',
    ...(body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
    `Authorization: Basic ${Buffer.from(user).toString('base64')}`,
    '',
    body ?? '',
  ].join('\r\n')
  const [head = '', ...rest] = (await sayTo(it.url, sent)).split('\r\n\r\n')
  const type = /^content-type: (.*)$/im.exec(head)?.[1]?.trim()
  const text = rest.join('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), body: type === 'application/json' ? JSON.parse(text) : text }
}

/** Python writes JSON with spaces. */
const json = (value: object): string => JSON.stringify(value).replaceAll('":', '": ').replaceAll(',"', ', "')
const ok = (body: unknown) => ({ status: 200, body })
const created = (body: unknown) => ({ status: 201, body })
const nothing = ok([])
const date = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)
const host = { address: '10.9.0.1', status: 'investigating', os: '', cpus: 0, memory: 0, space: 0, last_check: '', source: '' }

test('networks, container managers and clusters', async () => {
  const network = { name: 'flannel', type: 'flannel_server', options: { address: '192.168.152.101:8080' } }
  const { name: _, ...flannel } = network
  expect(await commctl('PUT /api/v0/network/flannel', json(flannel))).toEqual(created(network))
  expect(await commctl('GET /api/v0/network/flannel')).toEqual(ok(network))
  expect(await commctl('GET /api/v0/networks')).toEqual(ok(['default', 'flannel']))
  const manager = { name: 'mine', type: 'trivial', options: {} }
  expect(await commctl('PUT /api/v0/containermanager/mine', json({ type: 'trivial', options: {} }))).toEqual(created(manager))
  expect(await commctl('GET /api/v0/containermanagers')).toEqual(ok(['mine']))
  const cluster = { name: 'honeynut', status: 'ok', network: 'flannel', container_manager: 'mine' }
  const asked = { type: 'kubernetes', network: 'flannel', container_manager: 'mine' }
  expect(await commctl('PUT /api/v0/cluster/honeynut', json(asked))).toEqual(created(cluster))
  expect(await commctl('GET /api/v0/clusters')).toEqual(ok(['honeynut']))
  const hosts = { total: 0, available: 0, unavailable: 0 }
  expect(await commctl('GET /api/v0/cluster/honeynut')).toEqual(ok({ ...cluster, hosts, hostset: [] }))
})

test('changes of a cluster', async () => {
  await commctl('PUT /api/v0/cluster/changed', json({ type: 'host_only', network: 'default' }))
  const begun = (done: string) => ({
    name: 'changed',
    status: 'in_process',
    [done]: [],
    in_process: [],
    started_at: date,
    finished_at: null,
  })
  const ends = async (change: string): Promise<void> => {
    await expect.poll(async () => (await commctl(`GET /api/v0/cluster/changed/${change}`)).body.status).toBe('finished')
  }
  expect(await commctl('GET /api/v0/cluster/changed/upgrade')).toEqual({ status: 404, body: 'Not Found' })
  expect(await commctl('PUT /api/v0/cluster/changed/upgrade', '{}')).toEqual(created(begun('upgraded')))
  await ends('upgrade')
  expect(await commctl('PUT /api/v0/cluster/changed/restart', '{}')).toEqual(created(begun('restarted')))
  await ends('restart')
  const deploy = await commctl('PUT /api/v0/cluster/changed/deploy', json({ version: '7.2.6' }))
  expect(deploy).toEqual(created({ ...begun('deployed'), version: '7.2.6' }))
  await ends('deploy')
})

test('hosts', async () => {
  await commctl('PUT /api/v0/cluster/hosted', json({ type: 'host_only', network: 'default' }))
  const asked = json({ ssh_priv_key: 'a2V5', remote_user: 'root', cluster: 'hosted' })
  expect(await commctl('PUT /api/v0/host/10.9.0.1', asked)).toEqual(created(host))
  expect(await commctl('GET /api/v0/host/10.9.0.1')).toEqual(ok(host))
  expect(await commctl('GET /api/v0/hosts')).toEqual(ok([host]))
  expect(await commctl('GET /api/v0/cluster/hosted/hosts')).toEqual(ok(['10.9.0.1']))
  const creds = { address: '10.9.0.1', ssh_priv_key: 'a2V5', remote_user: 'root' }
  expect(await commctl('GET /api/v0/host/10.9.0.1/creds')).toEqual(ok(creds))
  const status = { type: 'host_only', host: { last_check: '', status: 'investigating' }, container_manager: {} }
  expect(await commctl('GET /api/v0/host/10.9.0.1/status')).toEqual(ok(status))
})

test('deletions carry an empty object', async () => {
  for (const path of [
    'host/10.9.0.1',
    'cluster/hosted',
    'cluster/changed',
    'cluster/honeynut',
    'network/flannel',
    'containermanager/mine',
  ]) {
    expect(await commctl(`DELETE /api/v0/${path}`, '{}'), path).toEqual(nothing)
    expect(await commctl(`DELETE /api/v0/${path}`, '{}'), path).toEqual({ status: 404, body: 'Not Found' })
  }
})

test('whoever has the wrong password is told by the status', async () => {
  expect(await commctl('GET /api/v0/clusters', undefined, 'ann:wrong')).toEqual({ status: 403, body: 'Forbidden' })
})
