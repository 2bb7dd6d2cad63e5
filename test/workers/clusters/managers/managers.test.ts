import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { ClusterManagerState } from '../../../../src/commands/clusters/cluster-manager.ts'
import { defaultClustersSettings } from '../../../../src/commands/clusters/settings.ts'
import type { ManagerOptions, ManagerType } from '../../../../src/events/clusters/manager.ts'
import { systemClock } from '../../../../src/lib/clock.ts'
import type { JsonObject } from '../../../../src/lib/json.ts'
import { type ContainerManager, ManagerRefused } from '../../../../src/workers/clusters/managers/container-manager.ts'
import { createManagers } from '../../../../src/workers/clusters/managers/managers.ts'
import { type CertificateFiles, makeCertificate } from '../../../engines/certificate.ts'
import { type KubernetesApi, startKubernetesApi } from '../kubernetes-api.ts'

const token = 'the-token-of-the-manager'
const sealed = (text: string) => ({ $sealed: text, subject: 'clusterManager-1' })
const secret = sealed('unreadable')
const never = new AbortController().signal

const managersOf = (state: ClusterManagerState, nodes: readonly string[] = []) =>
  createManagers({
    executor: { load: async () => ({ state }) } as never,
    settings: defaultClustersSettings,
    clock: systemClock,
    isNode: (_manager, address) => nodes.includes(address),
  })

/** Opened anew for each call. */
const managerOf = (type: ManagerType, options: JsonObject = {}, nodes: readonly string[] = []): ContainerManager => {
  const managers = managersOf({ status: 'live', manager: { type, options: options as ManagerOptions, tokenDigest: null } }, nodes)
  const opened = async (): Promise<ContainerManager> => {
    const manager = await managers.byName('manager', async (sealed) => (sealed === secret ? token : sealed.$sealed))
    if (manager === undefined) throw new Error('there is a configuration')
    return manager
  }
  return {
    register: async (...call) => (await opened()).register(...call),
    remove: async (...call) => (await opened()).remove(...call),
    status: async (...call) => (await opened()).status(...call),
  }
}

const refusal = async (call: Promise<unknown>): Promise<string> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ManagerRefused)
  expect((error as Error).message).not.toContain(token)
  return (error as Error).message
}

let directory: string
let certificate: CertificateFiles
let plain: KubernetesApi
let api: KubernetesApi

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'intendant-managers-'))
  certificate = makeCertificate(directory, 'manager', 'IP:127.0.0.1')
  plain = await startKubernetesApi()
  api = await startKubernetesApi({ token, tls: certificate })
})
afterEach(() => {
  plain.behave(undefined)
  plain.nodes.clear()
  api.nodes.clear()
})
afterAll(async () => {
  await Promise.all([plain.stop(), api.stop()])
  rmSync(directory, { recursive: true, force: true })
})

test('the trivial manager accepts everything and says who its nodes are', async () => {
  const manager = managerOf('trivial', {}, ['10.0.0.1'])
  await manager.register('10.0.0.2', never)
  await manager.remove('10.0.0.2', never)
  expect(await manager.status('10.0.0.1', never)).toEqual({ node: '10.0.0.1', status: 'ok' })
  expect(await refusal(manager.status('10.0.0.2', never))).toBe('10.0.0.2 is not a node')
})

test.each(['openshift', 'kubernetes'] as const)(
  '%s over HTTPS with a token: register, status, remove, each twice',
  async (type) => {
    // Only the origin of the URL counts.
    const manager = managerOf(type, { apiserver: `${api.url}/oapi/v1?x=1`, token: secret })
    const before = api.requests.length
    await manager.register('10.0.0.1', never)
    await manager.register('10.0.0.1', never)
    expect(await manager.status('10.0.0.1', never)).toMatchObject({ kind: 'Node', metadata: { name: '10.0.0.1' } })
    await manager.remove('10.0.0.1', never)
    await manager.remove('10.0.0.1', never)
    expect(api.requests.slice(before)).toEqual([
      'POST /api/v1/nodes',
      'POST /api/v1/nodes',
      'GET /api/v1/nodes/10.0.0.1',
      'DELETE /api/v1/nodes/10.0.0.1',
      'DELETE /api/v1/nodes/10.0.0.1',
    ])
    expect(api.nodes).toEqual(new Set())
    expect(await refusal(manager.status('10.0.0.1', never))).toBe(
      'the container manager answered 404: nodes "10.0.0.1" not found',
    )
  },
)

test('what the manager refuses, and what it answers in no sense, is refused', async () => {
  const manager = managerOf('openshift', { server_url: plain.url })
  plain.nodes.add('a')
  plain.behave((_request, response) => void response.writeHead(200).end('<html>'))
  expect(await refusal(manager.status('a', never))).toContain('without a JSON object')
  expect(await refusal(manager.register('a', never))).toBe('the container manager answered 200')
  plain.behave((_request, response) => void response.writeHead(302, { Location: '/elsewhere' }).end())
  expect(await refusal(manager.remove('a', never))).toBe('the container manager answered 302')
  plain.behave((_request, response) => void response.writeHead(200).end(Buffer.alloc(2_000_000, 'x')))
  expect(await refusal(manager.status('a', never))).toContain('too_large')
  const wrongToken = managerOf('openshift', { apiserver: api.url, token: sealed('another') })
  expect(await refusal(wrongToken.register('a', never))).toBe('the container manager answered 401: Unauthorized')
})

test('a connection that closes when it is used again is made anew, once', async () => {
  const manager = managerOf('openshift', { apiserver: plain.url })
  let closed = 0
  plain.behave((request, response) => {
    if (closed++ === 0) request.socket.destroy()
    else response.writeHead(201).end('{}')
  })
  await manager.register('a', never)
  plain.behave((request) => void request.socket.destroy())
  expect(await refusal(manager.register('a', never))).toContain('was not reached: lost')
})

test('a manager that hangs is left when the signal aborts, with its reason', async () => {
  const manager = managerOf('openshift', { apiserver: plain.url })
  const asked = plain.asked(plain.requests.length + 1)
  plain.behave(() => undefined)
  const ending = new AbortController()
  const call = manager.register('a', ending.signal)
  await asked
  ending.abort(new Error('enough'))
  await expect(call).rejects.toThrow('enough')
})

test('a manager that does not listen is refused', async () => {
  const gone = await startKubernetesApi()
  await gone.stop()
  expect(await refusal(managerOf('openshift', { apiserver: gone.url }).register('a', never))).toContain('refused')
})

test('certificates are checked where that is asked for', async () => {
  const stranger = makeCertificate(directory, 'stranger', 'IP:127.0.0.1')
  const check = (options: JsonObject) =>
    managerOf('openshift', { apiserver: api.url, token: secret, ...options }).register('a', never)
  await check({ ca_path: certificate.certificate })
  await check({ ca_path: stranger.certificate, verify: false })
  expect(await refusal(check({ verify: true }))).toContain('tls')
  expect(await refusal(check({ ca_path: stranger.certificate }))).toContain('tls')
})

test('a client certificate is shown', async () => {
  const client = makeCertificate(directory, 'client', 'DNS:client', { commonName: 'intendant' })
  const strict = await startKubernetesApi({ tls: certificate, clientAuthority: client.certificate })
  try {
    const manager = managerOf('kubernetes', {
      apiserver: strict.url,
      certificate_path: client.certificate,
      certificate_key_path: client.key,
    })
    await manager.register('a', never)
    expect(strict.lastClient()).toBe('intendant')
    expect(await refusal(managerOf('kubernetes', { apiserver: strict.url }).register('b', never))).toContain('not reached')
    expect(strict.nodes).toEqual(new Set(['a']))
  } finally {
    await strict.stop()
  }
})

test.each([
  ['no URL', {}, 'apiserver is missing'],
  ['a URL of another scheme', { apiserver: 'ftp://a' }, 'is not an http or https URL'],
  ['no text as URL', { apiserver: 7 }, 'the option apiserver'],
  ['half a client certificate', { apiserver: 'https://a', certificate_path: '/a' }, 'go together'],
  ['a client certificate without TLS', { apiserver: 'http://a', certificate_path: '/a', certificate_key_path: '/b' }, 'https'],
  ['a file that is not there', { apiserver: 'https://a', ca_path: '/nowhere' }, 'ca_path'],
  ['a file without end', { apiserver: 'https://a', ca_path: '/dev/zero' }, 'it is not a PEM file'],
  ['a token that is no header', { apiserver: 'https://a', token: sealed('a\nb') }, 'the token'],
])('a configuration with %s shows when it is used', async (_name, options, words) => {
  expect(await refusal(managerOf('openshift', options).register('a', never))).toContain(words)
})

test.each(['.', '..'])('the name %s cannot remove all nodes', async (name) => {
  const before = plain.requests.length
  expect(await refusal(managerOf('openshift', { apiserver: plain.url }).remove(name, never))).toContain('cannot be the name')
  expect(plain.requests.length).toBe(before)
})

test('there is no manager without a configuration', async () => {
  expect(await managersOf({ status: 'absent' }).byName('manager', async () => token)).toBeUndefined()
})
