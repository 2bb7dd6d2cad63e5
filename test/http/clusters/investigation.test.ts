import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { makeKeyPair, noSshd, openSshd, remoteUser, type SshdHost, type SshdOptions } from '../../engines/sshd.ts'
import { type KubernetesApi, startKubernetesApi } from '../../workers/clusters/kubernetes-api.ts'
import { type Answer, startApp, type TestApp } from '../app.ts'
import { notReached } from './ready-host.ts'

if (noSshd !== undefined) console.warn(`skipped: ${noSshd}`)

const key = makeKeyPair()

describe.skipIf(noSshd !== undefined)('a host that is put', () => {
  let it: TestApp
  let api: KubernetesApi
  const opened: SshdHost[] = []
  beforeAll(async () => {
    it = await startApp()
    api = await startKubernetesApi({ token: 'secret' })
    await it.ask('PUT /api/v0/containermanager/os', { body: { options: { apiserver: api.url, token: 'secret' } } })
    await it.ask('PUT /api/v0/network/server', { body: { type: 'flannel_server', options: { address: '10.0.0.1:8472' } } })
    await it.ask('PUT /api/v0/cluster/managed', { body: { network: 'server', container_manager: 'os' } })
  })
  afterEach(() => {
    for (const host of opened.splice(0)) host.close()
  })
  afterAll(async () => {
    await it.stop()
    await api.stop()
  })

  const machine = async (options: SshdOptions = {}): Promise<SshdHost> => {
    const host = await openSshd({ key, ...options })
    opened.push(host)
    return host
  }
  const put = ({ address, port }: SshdHost, more: object = {}): Promise<Answer> =>
    it.ask(`PUT /api/v0/host/${address}`, {
      body: { ssh_priv_key: key.base64, remote_user: remoteUser, ssh_port: port, ...more },
    })
  /** The view of hosts may be a moment behind that of operations. */
  let seen = '0'
  const ended = async (answer: Answer): Promise<Answer> => {
    const operation = await it.ask(`GET /v1/operations/${answer.headers.get('operation-id')}?wait=60`)
    seen = operation.json.position
    return operation
  }
  const get = async ({ address }: SshdHost) =>
    (await it.ask(`GET /api/v0/host/${address}`, { headers: { 'Event-Position': seen } })).json

  test('is investigated and prepared', async () => {
    const host = await machine()
    const answer = await put(host)
    expect([answer.status, answer.json]).toEqual([
      201,
      { address: host.address, status: 'investigating', os: '', cpus: 0, memory: 0, space: 0, last_check: '', source: '' },
    ])
    const { json: operation } = await ended(answer)
    expect(operation).toMatchObject({ state: 'succeeded', result: { status: 'disassociated' } })
    expect(await get(host)).toEqual({
      ...{ address: host.address, status: 'disassociated', os: 'fedora', cpus: 4, memory: 8_009_876, source: '' },
      space: 41_152_736 + 1_000_000 + 500_000,
      last_check: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/),
    })
    expect(host.calls().filter((call) => !/^(nproc|df)/.test(call))).toEqual([
      'dnf install -y flannel',
      'dnf install -y docker',
      'systemctl enable flanneld',
      'systemctl restart flanneld',
      'systemctl enable docker',
      'systemctl restart docker',
    ])
    expect(host.read('/etc/sysconfig/flanneld')).toContain('FLANNEL_ETCD="http://127.0.0.1:2379"\n')
    expect(host.read('/etc/sysconfig/docker')).toContain('DOCKER_CERT_PATH=/etc/docker\n')
    const { text: output } = await it.ask(`GET /v1/operations/${operation.id}/output`)
    expect(output).toContain('Complete!')
  })

  test('of an OSTree is atomic', async () => {
    const host = await machine({ os: 'rhel', isOstree: true })
    await ended(await put(host))
    expect(await get(host)).toMatchObject({ os: 'atomic', status: 'disassociated' })
    expect(host.calls().some((call) => /install|subscription/.test(call))).toBe(false)
  })

  test('of a managed cluster is registered and active', async () => {
    const host = await machine({ os: 'centos' })
    const { json: operation } = await ended(await put(host, { cluster: 'managed' }))
    expect(operation).toMatchObject({ state: 'succeeded', result: { status: 'active' } })
    expect(await get(host)).toMatchObject({ os: 'centos', status: 'active' })
    expect(api.nodes).toContain(host.address)
    expect(host.read('/etc/sysconfig/flanneld')).toBe('FLANNEL_OPTIONS="--remote=10.0.0.1:8472"\n')
  })

  test('stays registered where it is when it is investigated again, whatever its cluster has been given', async () => {
    await it.ask('PUT /api/v0/containermanager/trivial', { body: { type: 'trivial' } })
    await it.ask('PUT /api/v0/cluster/moved', { body: { network: 'server', container_manager: 'os' } })
    const host = await machine()
    await ended(await put(host, { cluster: 'moved' }))
    await it.ask('PUT /api/v0/cluster/moved', { body: { container_manager: 'trivial' } })
    await notReached(it, host.address)
    const { json: operation } = await ended(await put(host))
    expect(operation).toMatchObject({ state: 'succeeded', result: { status: 'active' } })
    expect(await get(host)).toMatchObject({ status: 'active' })
    await it.ask(`DELETE /api/v0/cluster/moved/hosts/${host.address}`)
    expect(api.nodes).not.toContain(host.address)
  })

  test('is disassociated where the manager refuses it', async () => {
    const host = await machine()
    api.behave('refuse' as never)
    const { json: operation } = await ended(await put(host, { cluster: 'managed' }))
    api.behave(undefined)
    expect(operation).toMatchObject({ state: 'succeeded', result: { status: 'disassociated' } })
    expect(await get(host)).toMatchObject({ status: 'disassociated' })
  })

  test('of another system fails, with its name and facts', async () => {
    const host = await machine({ os: 'debian' })
    const { json: operation } = await ended(await put(host))
    expect(operation).toMatchObject({ state: 'failed', error: { type: 'os-unsupported', details: { phase: 'os' } } })
    expect(await get(host)).toMatchObject({ status: 'failed', os: 'debian', cpus: 4 })
  })

  test('fails at the first command of the bootstrap that does, and is put again', async () => {
    const host = await machine()
    host.program('dnf', 'echo "No match for argument: $3" >&2\nexit 1')
    const { json: operation } = await ended(await put(host))
    expect(operation).toMatchObject({
      state: 'failed',
      error: {
        type: 'command-failed',
        retryable: false,
        details: { phase: 'bootstrap', command: 'dnf install -y flannel', exitCode: 1 },
      },
    })
    expect(operation.error.details.output).toContain('No match for argument: flannel\n')
    expect(await get(host)).toMatchObject({ status: 'failed', os: 'fedora' })
    host.program('dnf', 'exit 0')
    const again = await put(host)
    expect(again.json).toMatchObject({ status: 'investigating' })
    expect((await ended(again)).json.state).toBe('succeeded')
    expect(await get(host)).toMatchObject({ status: 'disassociated' })
  })

  test('whose facts cannot be found out fails', async () => {
    const host = await machine()
    host.program('df', 'exit 1')
    const { json: operation } = await ended(await put(host))
    expect(operation.error).toMatchObject({ type: 'command-failed', details: { phase: 'facts', command: 'df -kP' } })
    expect(await get(host)).toMatchObject({ status: 'failed', os: '', last_check: '' })
  })

  test.each([
    ['', 'has no SSH key'],
    ['bm8ga2V5', 'is not a private key'],
  ])('with the key %j fails', async (ssh_priv_key, message) => {
    const host = await machine()
    const { json: operation } = await ended(await put(host, { ssh_priv_key }))
    expect(operation.error).toMatchObject({ type: 'key-unreadable', details: { phase: 'connect' } })
    expect(operation.error.message).toContain(message)
    expect(host.commands()).toEqual([])
    expect(await get(host)).toMatchObject({ status: 'failed' })
  })

  test('that is not up yet is waited for where it registers itself, and tried three times else', async () => {
    const [booting, gone] = [await machine(), await machine()]
    booting.stop()
    gone.stop()
    const registered = await it.ask('PUT /api/v0/host', {
      body: { address: booting.address, ssh_priv_key: key.base64, remote_user: remoteUser, ssh_port: booting.port },
    })
    const missing = ended(await put(gone))
    const printed = async () => (await it.ask(`GET /v1/operations/${registered.headers.get('operation-id')}/output`)).text
    await expect.poll(printed, { timeout: 60_000 }).toContain('cannot be reached')
    await booting.start()
    expect((await ended(registered)).json).toMatchObject({ state: 'succeeded', attempt: 1 })
    const { json: operation } = await missing
    expect(operation.error).toMatchObject({ type: 'host-unreachable', details: { phase: 'connect' } })
    const { text } = await it.ask(`GET /v1/operations/${operation.id}/output`)
    expect(text.match(/cannot be reached/g)).toHaveLength(3)
  })

  test('with another host key than before fails, which is recorded once', async () => {
    const host = await machine()
    host.program('dnf', 'exit 1')
    await ended(await put(host))
    await host.changeHostKey()
    const before = host.commands().length
    for (let round = 0; round < 2; round++) {
      const { json: operation } = await ended(await put(host))
      expect(operation.error).toMatchObject({ type: 'host-key-changed', details: { phase: 'connect' } })
    }
    expect(host.commands()).toHaveLength(before)
    const events = await Array.fromAsync(it.app.ports.log.readStream(`clusterHost-${host.address}`))
    expect(events.filter(({ type }) => type === 'HostKeyChanged').map(({ data }) => data)).toEqual([
      expect.objectContaining({ accepted: false, newFingerprint: expect.stringMatching(/^SHA256:/) }),
    ])
  })

  test('is left when it is deleted', async () => {
    const host = await machine()
    host.program('dnf', 'exec sleep 60')
    const answer = await put(host)
    await expect.poll(() => host.calls(), { timeout: 60_000 }).toContain('dnf install -y flannel')
    expect((await it.ask(`DELETE /api/v0/host/${host.address}`, { raw: '{}' })).status).toBe(200)
    expect((await ended(answer)).json.state).toBe('cancelled')
    expect((await it.ask(`GET /api/v0/host/${host.address}`)).status).toBe(404)
  })

  test('its key is never shown', async () => {
    const host = await machine()
    const line = Buffer.from(key.base64, 'base64').toString().split('\n')[1] ?? ''
    host.program('dnf', `echo '${line}'\nexit 1`)
    const { text } = await ended(await put(host))
    expect(text).toContain('***')
    expect(text).not.toContain(line)
  })
})
