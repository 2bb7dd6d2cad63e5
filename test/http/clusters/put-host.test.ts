import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ClustersApp, error, facts, isError, startClusters } from './clusters-app.ts'

let it: ClustersApp
beforeAll(async () => {
  it = await startClusters()
})
afterAll(() => it.stop())

const key = 'LS0tLS1CRUdJTg=='
const record = (address: string, more: object = {}) => ({
  ...{ address, status: 'investigating', os: '', cpus: 0, memory: 0, space: 0, last_check: '', source: '' },
  ...more,
})
const put = (address: string, body: object = {}) => it.ask(`PUT /api/v0/host/${address}`, body as never)
const exists = isError(409, 'Conflict', 'Host already exists')

test('a new host is answered at once and investigated', async () => {
  it.script('10.1.0.1', 'succeed')
  const made = await put('10.1.0.1', {
    host: '10.1.0.1',
    ssh_priv_key: key,
    remote_user: 'fedora',
    source: 'aws',
    status: 'active',
    cpus: 9,
  })
  expect(made).toMatchObject({ status: 201, json: record('10.1.0.1', { source: 'aws' }) })
  expect(Object.keys(made.json)).toHaveLength(8)
  expect(made.headers.get('content-type')).toBe('application/json')
  const seen = await it.ended(made)
  const known = await it.ask('GET /api/v0/host/10.1.0.1', undefined, seen)
  expect(known).toMatchObject({
    status: 200,
    json: record('10.1.0.1', {
      ...facts,
      ...{ status: 'disassociated', source: 'aws', last_check: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/) },
    }),
  })
  expect((await it.ask('GET /api/v0/hosts', undefined, seen)).json).toContainEqual(known.json)
})

test('the key stands in no event, no answer but one, and no operation', async () => {
  const secret = Buffer.from('a secret of its own').toString('base64')
  const made = await put('10.1.0.2', { ssh_priv_key: secret })
  const [registered] = await it.events('clusterHost-10.1.0.2')
  expect(registered?.data).toMatchObject({
    ...{ address: '10.1.0.2', remoteUser: 'root', sshPort: 22, source: '', inferredAddress: false, key: '***' },
  })
  const operation = await it.ask(`GET /v1/operations/${made.headers.get('operation-id')}`)
  const everything = [
    made.text,
    operation.text,
    (await it.ask('GET /v1/events?limit=1000')).text,
    (await it.ask('GET /api/v0/hosts')).text,
  ]
  for (const text of everything) expect(text).not.toContain(secret)
  expect((await it.ask('GET /v1/secrets?limit=1000')).text).toContain('clusterHost-')
})

test('a host that is there is answered as it is, with the same key alone', async () => {
  const first = await put('10.1.0.3', { ssh_priv_key: key, source: 'one' })
  const again = await put('10.1.0.3', { ssh_priv_key: key, source: 'other', remote_user: 'x', ssh_port: 2222 })
  expect(again).toMatchObject({ status: 201, json: record('10.1.0.3', { source: 'one' }) })
  expect(again.headers.get('operation-id')).toBe(first.headers.get('operation-id'))
  expect((await it.ask('GET /api/v0/host/10.1.0.3/creds')).json).toEqual({
    ...{ address: '10.1.0.3', ssh_priv_key: key, remote_user: 'root' },
  })
  expect(error(await put('10.1.0.3', { ssh_priv_key: 'b3RoZXI=' }))).toEqual(exists)
  expect(error(await put('10.1.0.3'))).toEqual(exists)
  expect((await it.events('clusterHost-10.1.0.3')).map(({ type }) => type)).toEqual(['HostRegistered', 'HostCredentialsRead'])
})

test('no key is a key too', async () => {
  expect((await put('10.1.0.4')).status).toBe(201)
  expect((await put('10.1.0.4', { ssh_priv_key: null })).status).toBe(201)
  expect((await put('10.1.0.4', { ssh_priv_key: '' })).status).toBe(201)
  expect(error(await put('10.1.0.4', { ssh_priv_key: key }))).toEqual(exists)
  expect((await it.ask('GET /api/v0/host/10.1.0.4/creds')).json.ssh_priv_key).toBe('')
})

test('a host with a cluster is a member at once, in the order of the requests', async () => {
  await it.ask('PUT /api/v0/cluster/joined')
  for (const address of ['10.1.1.2', '10.1.1.1']) expect((await put(address, { cluster: 'joined' })).status).toBe(201)
  expect((await it.ask('GET /api/v0/cluster/joined/hosts')).json).toEqual(['10.1.1.2', '10.1.1.1'])
  expect((await it.ask('GET /api/v0/cluster/joined')).json).toMatchObject({
    ...{ status: 'failed', hosts: { total: 2, available: 0, unavailable: 2 }, hostset: ['10.1.1.2', '10.1.1.1'] },
  })
  expect((await it.events('clusterHost-10.1.1.1')).map(({ type }) => type)).toEqual(['HostRegistered', 'HostJoinedCluster'])
})

test('the cluster of a request is looked at before the key, and must be that of the host', async () => {
  await it.ask('PUT /api/v0/cluster/one')
  await it.ask('PUT /api/v0/cluster/two')
  await put('10.1.1.3', { cluster: 'one' })
  await put('10.1.1.4', { cluster: '' })
  expect(error(await put('10.1.1.9', { cluster: 'none' }))).toEqual(isError(409, 'Conflict', 'Cluster does not exist'))
  expect((await it.ask('GET /api/v0/host/10.1.1.9')).status).toBe(404)
  expect(error(await put('10.1.1.3', { cluster: 'none', ssh_priv_key: key }))).toMatchObject({ reason: 'Cluster does not exist' })
  expect(error(await put('10.1.1.3', { cluster: 'two', ssh_priv_key: key }))).toEqual(exists)
  const elsewhere = isError(409, 'Conflict', 'Host not in cluster')
  expect(error(await put('10.1.1.3', { cluster: 'two' }))).toEqual(elsewhere)
  expect(error(await put('10.1.1.4', { cluster: 'two' }))).toEqual(elsewhere)
  expect((await put('10.1.1.3', { cluster: 'one' })).status).toBe(201)
  expect((await put('10.1.1.3')).status).toBe(201)
})

test.each([
  { ssh_priv_key: 1 },
  { ssh_priv_key: ['a'] },
  { remote_user: 7 },
  { cluster: {} },
  { cluster: 3 },
  { source: false },
  { ssh_port: '22' },
  { ssh_port: 0 },
  { ssh_port: 65_536 },
  { ssh_port: 22.5 },
  { ssh_port: true },
])('%j is 400', async (body) => {
  expect(error(await put('10.1.2.1', body))).toMatchObject(isError(400, 'Bad Request'))
  expect((await it.ask('GET /api/v0/host/10.1.2.1')).status).toBe(404)
})

test('another port is kept and shown with the credentials', async () => {
  await put('10.1.2.2', { ssh_port: 2222, remote_user: null })
  expect((await it.ask('GET /api/v0/host/10.1.2.2/creds')).json).toEqual({
    ...{ address: '10.1.2.2', ssh_priv_key: '', remote_user: 'root', ssh_port: 2222 },
  })
})

test('a host that has failed is investigated again by the same request, once', async () => {
  expect(await it.host('10.1.3.1', 'fail', { ssh_priv_key: key })).toMatchObject({ status: 'failed', last_check: '' })
  expect(error(await put('10.1.3.1'))).toEqual(exists)
  it.script('10.1.3.1', 'hang')
  const [one, other] = await Promise.all([put('10.1.3.1', { ssh_priv_key: key }), put('10.1.3.1', { ssh_priv_key: key })])
  expect(one).toMatchObject({ status: 201, json: record('10.1.3.1') })
  expect(other).toMatchObject({ status: 201, json: record('10.1.3.1') })
  expect(one.headers.get('operation-id')).toBe(other.headers.get('operation-id'))
  const { json } = await it.ask('GET /v1/operations?kind=clusters.investigate&limit=1000')
  expect(json.items.filter(({ lane }: { lane: string }) => lane === 'host:10.1.3.1')).toHaveLength(2)
})

test('of two hosts that are put at one address at a time one is registered', async () => {
  const bodies = Array.from({ length: 6 }, (_, index) => ({ ssh_priv_key: Buffer.from(`key ${index % 2}`).toString('base64') }))
  const answers = await Promise.all(bodies.map((body) => put('10.1.3.2', body)))
  const statuses = answers.map(({ status }) => status)
  expect(statuses.filter((status) => status === 201)).toHaveLength(3)
  expect(statuses.filter((status) => status === 409)).toHaveLength(3)
  expect((await it.events('clusterHost-10.1.3.2')).map(({ type }) => type)).toEqual(['HostRegistered'])
})

test('a request without an address registers the machine that sent it, or the one in the body', async () => {
  const own = await it.ask('PUT /api/v0/host', {})
  expect(own).toMatchObject({ status: 201, json: record('127.0.0.1') })
  expect((await it.ask('PUT /api/v0/host/', { address: '' })).json.address).toBe('127.0.0.1')
  expect((await it.ask('PUT /api/v0/host', { address: '10.1.4.1' })).json.address).toBe('10.1.4.1')
  expect((await it.events('clusterHost-10.1.4.1'))[0]?.data).toMatchObject({ inferredAddress: true })
})

test.each([{ address: 7 }, { address: 'not an address' }, { address: 'a'.repeat(300) }, { address: '.' }, { address: '..' }])(
  'PUT host with %j is 400',
  async (body) => {
    expect(error(await it.ask('PUT /api/v0/host', body))).toMatchObject(isError(400, 'Bad Request'))
  },
)

test('a request with an Idempotency-Key is carried out once', async () => {
  const send = () => it.ask('PUT /api/v0/host/10.1.4.2', { ssh_priv_key: key }, { 'Idempotency-Key': 'once' })
  const [first, again] = [await send(), await send()]
  expect(again).toMatchObject({ status: 201, text: first.text })
  expect(again.headers.get('operation-id')).toBe(first.headers.get('operation-id'))
  expect(await it.events('clusterHost-10.1.4.2')).toHaveLength(1)
})

test('an IPv6 address is a host as any other', async () => {
  expect((await put('fe80::1')).json.address).toBe('fe80::1')
  expect((await it.ask('GET /api/v0/host/fe80::1')).status).toBe(200)
})
