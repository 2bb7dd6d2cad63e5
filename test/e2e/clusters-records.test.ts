import { expect, test } from 'vitest'
import { type ServerProcess, startServer } from './harness.ts'

/** `seen`: a position that the views have to have reached. */
const ask = async ({ url }: ServerProcess, line: string, body?: object, seen?: string) => {
  const [method = '', path = ''] = line.split(' ')
  const response = await fetch(url + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(seen === undefined ? {} : { headers: { 'Event-Position': seen } }),
  })
  const text = await response.text()
  return { status: response.status, text, operation: response.headers.get('operation-id') }
}

const paths = [
  ...['/clusters', '/cluster/web', '/cluster/web/hosts', '/hosts', '/host/10.0.0.1/creds', '/networks', '/network/flannel'],
  ...['/containermanagers', '/containermanager/m'],
]
const answers = async (server: ServerProcess) =>
  Promise.all(paths.map(async (path) => `${path} ${(await ask(server, `GET /api/v0${path}`)).text}`))

test('what was acknowledged is there after SIGKILL: records, keys, tokens and what became of hosts', async () => {
  const first = await startServer()
  await ask(first, 'PUT /api/v0/network/flannel', { type: 'flannel_server', options: { address: '10.0.0.9:8080' } })
  await ask(first, 'PUT /api/v0/containermanager/m', { options: { apiserver: 'https://10.0.0.9', token: 'a token' } })
  await ask(first, 'PUT /api/v0/cluster/web', { network: 'flannel', container_manager: 'm' })
  const put = await ask(first, 'PUT /api/v0/host/10.0.0.1', { cluster: 'web', ssh_priv_key: 'bm8ga2V5' })
  expect(put.status).toBe(201)
  // Not a key: nobody is connected to.
  const { state, position } = JSON.parse((await ask(first, `GET /v1/operations/${put.operation}?wait=60`)).text)
  expect(state).toBe('failed')
  expect((await ask(first, 'GET /api/v0/hosts', undefined, position)).status).toBe(200)
  await ask(first, 'DELETE /api/v0/network/default', {})
  const before = await answers(first)
  expect(before.join('\n')).toContain('"ssh_priv_key":"bm8ga2V5"')
  first.kill('SIGKILL')
  await first.ended
  const second = await startServer({ dataDir: first.dataDir })
  expect(await answers(second)).toEqual(before)
  expect(JSON.parse((await ask(second, 'GET /api/v0/host/10.0.0.1')).text)).toMatchObject({ status: 'failed' })
})
