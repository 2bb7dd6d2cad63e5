import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ClustersApp, error, isError, startClusters } from './clusters-app.ts'

let it: ClustersApp
beforeAll(async () => {
  it = await startClusters()
})
afterAll(() => it.stop())

describe('clusters', () => {
  test('a new cluster has the defaults, and an unknown network is replaced', async () => {
    const made = await it.ask('PUT /api/v0/cluster/a', { type: 'kubernetes', name: 'other' })
    const record = { name: 'a', status: 'ok', network: 'default', container_manager: '' }
    expect(made).toMatchObject({ status: 201, json: record })
    for (const network of ['none', 7, {}, ''])
      expect((await it.ask('PUT /api/v0/cluster/b', { network })).json).toEqual({ ...record, name: 'b' })
    const found = await it.ask('GET /api/v0/cluster/a?name=b')
    expect(found).toMatchObject({
      status: 200,
      json: { ...record, hosts: { total: 0, available: 0, unavailable: 0 }, hostset: [] },
    })
    expect(Object.keys(found.json)).toEqual(['name', 'status', 'network', 'container_manager', 'hosts', 'hostset'])
    for (const path of ['clusters', 'cluster', 'clusters/'])
      expect((await it.ask(`GET /api/v0/${path}`)).json).toEqual(['a', 'b'])
  })

  test('a cluster that is there keeps its members and what the request does not name', async () => {
    await it.ask('PUT /api/v0/network/n1')
    await it.ask('PUT /api/v0/cluster/c', { network: 'n1', container_manager: 'later' })
    await it.ask('PUT /api/v0/host/10.2.0.1', { cluster: 'c' })
    const record = { name: 'c', status: 'failed', network: 'n1', container_manager: 'later' }
    expect((await it.ask('PUT /api/v0/cluster/c', {})).json).toEqual(record)
    expect((await it.ask('PUT /api/v0/cluster/c', { network: null })).json).toEqual(record)
    expect((await it.ask('PUT /api/v0/cluster/c', { container_manager: '' })).json).toEqual({ ...record, container_manager: '' })
    expect((await it.ask('PUT /api/v0/cluster/c', { network: 'none' })).json.network).toBe('default')
    expect((await it.ask('GET /api/v0/cluster/c/hosts')).json).toEqual(['10.2.0.1'])
    expect((await it.events('cluster-c')).map(({ type, data }) => [type, data])).toEqual([
      ['ClusterCreated', { name: 'c', network: 'n1', containerManager: 'later' }],
      ['ClusterSettingsChanged', { name: 'c', containerManager: '' }],
      ['ClusterSettingsChanged', { name: 'c', network: 'default' }],
    ])
  })

  test('the status of a cluster is that of its members', async () => {
    await it.ask('PUT /api/v0/cluster/d', { container_manager: 'm' })
    const put = (address: string, script: Parameters<ClustersApp['host']>[1]) => it.host(address, script, { cluster: 'd' })
    const status = async () => (await it.ask('GET /api/v0/cluster/d')).json
    expect(await put('10.2.1.1', { manager: 'm' })).toMatchObject({ status: 'active' })
    expect(await status()).toMatchObject({ status: 'ok', hosts: { total: 1, available: 1, unavailable: 0 } })
    expect(await put('10.2.1.2', 'fail')).toMatchObject({ status: 'failed' })
    expect(await status()).toMatchObject({ status: 'degraded', hosts: { total: 2, available: 1, unavailable: 1 } })
    expect((await it.ask('PUT /api/v0/cluster/d', {})).json.status).toBe('degraded')
  })

  test('a member is shown, whoever is none is not found', async () => {
    await it.ask('PUT /api/v0/cluster/e')
    await it.ask('PUT /api/v0/host/10.2.2.1', { cluster: 'e' })
    await it.ask('PUT /api/v0/host/10.2.2.2')
    expect(await it.ask('GET /api/v0/cluster/e/hosts/10.2.2.1/')).toMatchObject({ status: 200, json: ['10.2.2.1'] })
    for (const address of ['10.2.2.2', '10.2.2.3'])
      expect(error(await it.ask(`GET /api/v0/cluster/e/hosts/${address}`))).toEqual(
        isError(404, 'Not Found', 'The requested host is not part of the cluster.'),
      )
  })

  test.each(['', '/hosts', '/hosts/10.2.2.1', '/deploy', '/upgrade', '/restart'])('GET /cluster/none%s is 404', async (path) => {
    expect(error(await it.ask(`GET /api/v0/cluster/none${path}`))).toEqual(
      isError(404, 'Not Found', 'Cluster "none" does not exist.'),
    )
  })

  test.each(['deploy', 'upgrade', 'restart'])('a cluster without a %s has none to show', async (change) => {
    await it.ask('PUT /api/v0/cluster/f')
    expect(error(await it.ask(`GET /api/v0/cluster/f/${change}`))).toMatchObject(isError(404, 'Not Found'))
  })

  test.each([7, ['m'], {}, true])('a container_manager of %j is 400', async (container_manager) => {
    expect(error(await it.ask('PUT /api/v0/cluster/g', { container_manager }))).toMatchObject(isError(400, 'Bad Request'))
    expect((await it.ask('GET /api/v0/cluster/g')).status).toBe(404)
  })
})

describe('networks', () => {
  test('the network default is there from the start, and comes back only by a request', async () => {
    const app = await startClusters()
    try {
      const record = { name: 'default', type: 'flannel_etcd', options: {} }
      expect(await app.ask('GET /api/v0/network/default')).toMatchObject({ status: 200, json: record })
      expect(await app.ask('PUT /api/v0/network/default')).toMatchObject({ status: 201, json: record })
      expect(await app.ask('DELETE /api/v0/network/default')).toMatchObject({ status: 200, json: [] })
      expect((await app.ask('GET /api/v0/networks')).json).toEqual([])
      expect((await app.ask('GET /api/v0/network/default')).status).toBe(404)
      expect((await app.ask('PUT /api/v0/cluster/a', { network: 'default' })).json.network).toBe('default')
      expect(await app.ask('PUT /api/v0/network/default', { type: 'flannel_server', options: { address: 'a:1' } })).toMatchObject(
        {
          ...{ status: 201, json: { name: 'default', type: 'flannel_server', options: { address: 'a:1' } } },
        },
      )
    } finally {
      await app.stop()
    }
  })

  test('a network is created once, and deleted before it changes', async () => {
    const body = { name: 'other', type: 'flannel_server', options: { address: '10.0.0.9:8080', more: [1, { a: 'b' }] } }
    const record = { ...body, name: 'n2' }
    expect(await it.ask('PUT /api/v0/network/n2', body)).toMatchObject({ status: 201, json: record })
    expect(await it.ask('PUT /api/v0/network/n2', body)).toMatchObject({ status: 201, json: record })
    expect((await it.ask('GET /api/v0/network/n2')).json).toEqual(record)
    expect(await it.events('clusterNetwork-n2')).toHaveLength(1)
    const exists = isError(409, 'Conflict', 'A network with that name already exists.')
    for (const other of [{}, { ...body, type: 'flannel_etcd' }, { ...body, options: { address: 'x' } }])
      expect(error(await it.ask('PUT /api/v0/network/n2', other))).toEqual(exists)
    expect((await it.ask('GET /api/v0/networks')).json).toContain('n2')
    expect(await it.ask('DELETE /api/v0/network/n2')).toMatchObject({ status: 200, text: '[]' })
    const gone = isError(404, 'Not Found', 'Network "n2" does not exist.')
    for (const line of ['DELETE /api/v0/network/n2', 'GET /api/v0/network/n2']) expect(error(await it.ask(line))).toEqual(gone)
  })

  test.each([{ type: 'flanneld_service' }, { type: 7 }, { options: [] }, { options: 'a' }, { options: 7 }])(
    'a network of %j is 400',
    async (body) => {
      expect(error(await it.ask('PUT /api/v0/network/n3', body))).toMatchObject(isError(400, 'Bad Request'))
      expect((await it.ask('GET /api/v0/network/n3')).status).toBe(404)
    },
  )
})

describe('container managers', () => {
  const options = { apiserver: 'https://10.0.0.9:8443', token: 'a token of its own', certificate_path: '/a' }

  test('a configuration is made once, with its token, and deleted before it changes', async () => {
    const record = { name: 'm1', type: 'openshift', options }
    expect(await it.ask('PUT /api/v0/containermanager/m1', { options })).toMatchObject({ status: 201, json: record })
    expect(await it.ask('PUT /api/v0/containermanager/m1', { type: 'openshift', options })).toMatchObject({
      status: 201,
      json: record,
    })
    expect(await it.ask('GET /api/v0/containermanager/m1')).toMatchObject({ status: 200, json: record })
    const [configured, ...others] = await it.events('clusterManager-m1')
    expect(configured?.data).toMatchObject({ options: { ...options, token: '***' } })
    expect(others).toEqual([])
    expect((await it.ask('GET /v1/events?limit=1000')).text).not.toContain(options.token)
    const exists = isError(409, 'Conflict', 'A ContainerManager with that name already exists.')
    const { token: _, ...tokenless } = options
    for (const other of [{ options: tokenless }, { type: 'trivial', options }, { options: { ...options, token: 'another' } }, {}])
      expect(error(await it.ask('PUT /api/v0/containermanager/m1', other))).toEqual(exists)
    expect((await it.ask('GET /api/v0/containermanagers')).json).toEqual(['m1'])
    expect(await it.ask('DELETE /api/v0/containermanager/m1')).toMatchObject({ status: 200, text: '[]' })
    const gone = isError(404, 'Not Found', 'ContainerManager "m1" does not exist.')
    for (const line of ['DELETE /api/v0/containermanager/m1', 'GET /api/v0/containermanager/m1'])
      expect(error(await it.ask(line))).toEqual(gone)
  })

  test.each(['openshift', 'trivial', 'kubernetes'])('the type %s is known', async (type) => {
    expect(await it.ask(`PUT /api/v0/containermanager/${type}`, { type })).toMatchObject({
      status: 201,
      json: { type, options: {} },
    })
    const exists = await it.ask(`PUT /api/v0/containermanager/${type}`, { type, options: { token: 'now' } })
    expect(exists.status).toBe(409)
  })

  test.each([{ type: 'swarm' }, { type: 7 }, { options: [] }, { options: 'a' }])('a configuration of %j is 400', async (body) => {
    expect(error(await it.ask('PUT /api/v0/containermanager/m3', body))).toMatchObject(isError(400, 'Bad Request'))
  })

  test('a token that was forgotten is null, in the past too; others of the name have nothing to do with it', async () => {
    await it.ask('PUT /api/v0/containermanager/m4', { options })
    const then = (await it.ask('GET /api/v0/containermanager/m4')).headers.get('event-position') ?? ''
    await it.ask('DELETE /api/v0/containermanager/m4')
    expect((await it.ask('GET /api/v0/containermanager/m4', undefined, { 'As-Of': then })).json.options).toEqual({
      ...options,
      token: null,
    })
    await it.ask('PUT /api/v0/containermanager/m4', { options })
    expect((await it.ask('GET /api/v0/containermanager/m4')).json.options).toEqual(options)
  })

  test('an answer with a token is kept sealed under an Idempotency-Key', async () => {
    const send = () => it.ask('PUT /api/v0/containermanager/m5', { options }, { 'Idempotency-Key': 'm5' })
    const [first, again] = [await send(), await send()]
    expect(again).toMatchObject({ status: 201, text: first.text })
    expect((await it.ask('GET /v1/events?limit=1000')).text).not.toContain(options.token)
  })
})
