import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ClustersApp, error, isError, startClusters } from './clusters-app.ts'

let it: ClustersApp
beforeAll(async () => {
  it = await startClusters()
})
afterAll(() => it.stop())

const read = (address: string, headers: Readonly<Record<string, string>> = {}) =>
  it.ask(`GET /api/v0/host/${address}/creds`, undefined, headers)
const typesOf = async (address: string) => (await it.events(`clusterHost-${address}`)).map(({ type }) => type)

test('who reads a key is on the record', async () => {
  await it.ask('PUT /api/v0/host/10.3.0.1', { ssh_priv_key: 'a2V5', remote_user: 'fedora' })
  const credentials = { address: '10.3.0.1', ssh_priv_key: 'a2V5', remote_user: 'fedora' }
  expect(await read('10.3.0.1')).toMatchObject({ status: 200, json: credentials })
  const events = await it.events('clusterHost-10.3.0.1')
  expect(events.at(-1)).toMatchObject({
    ...{ type: 'HostCredentialsRead', data: { address: '10.3.0.1' } },
    metadata: { actor: { principal: 'anonymous', face: 'clusters', address: '127.0.0.1' } },
  })
})

test('a key of the past is answered and recorded likewise, and null once the host is deleted', async () => {
  const made = await it.ask('PUT /api/v0/host/10.3.0.2', { ssh_priv_key: 'a2V5' })
  const then = { 'As-Of': made.headers.get('event-position') ?? '' }
  expect((await read('10.3.0.2', then)).json).toMatchObject({ ssh_priv_key: 'a2V5' })
  expect(await it.ask('DELETE /api/v0/host/10.3.0.2')).toMatchObject({ status: 200, json: [] })
  expect(error(await read('10.3.0.2'))).toMatchObject(isError(404, 'Not Found'))
  expect(await read('10.3.0.2', then)).toMatchObject({
    ...{ status: 200, json: { address: '10.3.0.2', ssh_priv_key: null, remote_user: 'root' } },
  })
  expect(await typesOf('10.3.0.2')).toEqual(['HostRegistered', 'HostCredentialsRead', 'HostDeleted', 'HostCredentialsRead'])
})

test('a host that is not there has no credentials, and nothing is recorded', async () => {
  for (const path of ['', '/creds'])
    expect(error(await it.ask(`GET /api/v0/host/10.3.0.9${path}`))).toEqual(
      isError(404, 'Not Found', 'Host "10.3.0.9" does not exist.'),
    )
  expect((await it.ask('GET /v1/streams/clusterHost-10.3.0.9')).status).toBe(404)
})

test('where the reading cannot be recorded nobody reads', async () => {
  await it.ask('PUT /api/v0/host/10.3.0.3', { ssh_priv_key: 'a2V5' })
  const { log } = it.app.ports
  const { append } = log
  Object.assign(log, { append: () => Promise.reject(new Error('the disk is gone')) })
  try {
    expect(error(await read('10.3.0.3'))).toMatchObject(isError(500, 'Internal Server Error'))
  } finally {
    Object.assign(log, { append })
  }
  expect((await read('10.3.0.3')).status).toBe(200)
})
