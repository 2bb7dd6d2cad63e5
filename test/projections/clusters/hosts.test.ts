import { expect, test } from 'vitest'
import { facts, investigate, openClusters } from './harness.ts'

const address = '10.0.0.1'

test('an investigation takes a host from its registration to its end, step by step', async () => {
  const it = await openClusters()
  const host = await it.host(address)
  const look = () => it.hosts.byAddress(address)
  expect(look()).toMatchObject({ ...host, status: 'investigating', os: '', lastCheck: null, investigation: null })
  expect(it.hosts.uninvestigated()).toHaveLength(1)
  const operation = await it.request('clusters.investigate', { ...host })
  expect(it.hosts.uninvestigated()).toEqual([])
  await it.step(operation, 'connect', { fingerprint: 'SHA256:a' })
  expect(look()).toMatchObject({ status: 'investigating', fingerprint: 'SHA256:a', lastCheck: null })
  await it.step(operation, 'facts', facts)
  expect(look()).toMatchObject({ status: 'bootstrapping', ...facts, lastCheck: expect.stringMatching(/Z$/) })
  await it.step(operation, 'bootstrap: docker', { command: 'dnf install -y docker', exitCode: 0 })
  expect(look()).toMatchObject({ status: 'bootstrapping', lastStep: 'bootstrap: docker' })
  await it.succeed(operation, { status: 'disassociated' })
  expect(look()).toMatchObject({ status: 'disassociated', investigation: operation, failure: null })
})

test('a member of a managed cluster is active once its node is registered', async () => {
  const it = await openClusters()
  const creation = await it.cluster('web', 'm')
  const host = await it.host(address)
  await it.join(host, 'web', creation)
  const operation = await it.request('clusters.investigate', { ...host })
  await it.step(operation, 'facts', facts)
  await it.node(operation, host, 'm', 'registered')
  expect(it.hosts.byAddress(address)?.status).toBe('bootstrapping')
  await it.succeed(operation)
  expect(it.hosts.byAddress(address)).toMatchObject({ status: 'active', cluster: 'web', manager: 'm' })
  expect(it.managers.nodes('m')).toEqual([address])
})

test('a registration that is refused leaves the host disassociated', async () => {
  const it = await openClusters()
  const creation = await it.cluster('web', 'm')
  const host = await it.host(address)
  await it.join(host, 'web', creation)
  const operation = await it.request('clusters.investigate', { ...host })
  await it.node(operation, host, 'm', 'registered', false)
  await it.succeed(operation)
  expect(it.hosts.byAddress(address)).toMatchObject({ status: 'disassociated', cluster: 'web', manager: null })
})

test('a failed investigation says why, and another one begins anew', async () => {
  const it = await openClusters()
  const host = await it.host(address)
  const operation = await it.request('clusters.investigate', { ...host })
  const event = await it.fail(operation)
  const failed = it.hosts.byAddress(address)
  expect(failed).toMatchObject({ status: 'failed', failure: { event } })
  expect(it.hosts.lastErrorOf(address)).toMatchObject({ type: 'connect', message: 'no' })
  const again = await it.request('clusters.investigate', { ...host })
  expect(it.hosts.byAddress(address)).toMatchObject({
    status: 'investigating',
    investigation: again,
    failure: null,
  })
  expect(it.hosts.lastErrorOf(address)).toBeUndefined()
  // The first one has no say any more.
  await it.tell(operation, 'OperationCancelled', { attempt: null, reason: null })
  await it.step(again, 'facts', facts)
  expect(it.hosts.byAddress(address)?.status).toBe('bootstrapping')
})

test.each([
  ['OperationCancelled', { attempt: 1, reason: null }],
  ['OperationTimedOut', { attempt: 1, timeoutMs: 10 }],
])('a host whose investigation ends by %s has failed', async (type, data) => {
  const it = await openClusters()
  const operation = await it.request('clusters.investigate', { ...(await it.host(address)) })
  await it.tell(operation, type, data)
  expect(it.hosts.byAddress(address)).toMatchObject({ status: 'failed' })
  expect(it.hosts.lastErrorOf(address)).toMatchObject({ retryable: true })
})

test('what is reported of a deleted host brings nothing back, and does not touch the next host at the address', async () => {
  const it = await openClusters()
  const host = await it.host(address)
  const operation = await it.request('clusters.investigate', { ...host })
  await it.record(`clusterHost-${address}`, ['HostDeleted', { address }])
  await it.step(operation, 'facts', facts)
  expect(it.hosts.all()).toEqual([])
  const next = await it.host(address)
  await it.succeed(operation)
  expect(it.hosts.byAddress(address)).toMatchObject({ ...next, status: 'investigating', os: '' })
})

test('who leaves a cluster is not active any more; other states stay', async () => {
  const it = await openClusters()
  const creation = await it.cluster('web', 'm')
  const [one, other] = [await it.host('a'), await it.host('b')]
  await it.join(one, 'web', creation)
  await it.join(other, 'web', creation)
  await investigate(it, one, 'm')
  expect(it.clusters.counts('web')).toEqual({ total: 2, available: 1, unavailable: 1 })
  expect(it.hosts.membersOf('web').map(({ status }) => status)).toEqual(['active', 'investigating'])
  await it.leave(one, 'web')
  await it.leave(other, 'web')
  expect(it.hosts.all().map(({ status, manager, cluster }) => ({ status, manager, cluster }))).toEqual([
    { status: 'disassociated', manager: null, cluster: null },
    { status: 'investigating', manager: null, cluster: null },
  ])
})

test('a node is registered before its host joins, and removed before it leaves', async () => {
  const it = await openClusters()
  const creation = await it.cluster('web', 'm')
  const host = await it.host(address)
  await investigate(it, host)
  const register = await it.request('clusters.register', {})
  await it.node(register, host, 'm', 'registered')
  expect(it.hosts.byAddress(address)).toMatchObject({ status: 'disassociated', manager: 'm' })
  await it.join(host, 'web', creation)
  expect(it.hosts.byAddress(address)?.status).toBe('active')
  const unregister = await it.request('clusters.unregister', {})
  await it.node(unregister, host, 'm', 'gone', false)
  expect(it.hosts.byAddress(address)?.status).toBe('active')
  await it.node(unregister, host, 'm', 'gone')
  expect(it.hosts.byAddress(address)).toMatchObject({ status: 'disassociated', cluster: 'web', manager: null })
})

test('a node at another manager than that of the cluster does not make a member active', async () => {
  const it = await openClusters()
  const creation = await it.cluster('web')
  const host = await it.host(address)
  await investigate(it, host, 'm')
  await it.join(host, 'web', creation)
  expect(it.hosts.byAddress(address)).toMatchObject({ status: 'disassociated', cluster: 'web', manager: null })
})

test('members are listed in the order in which they joined, and are none in a cluster that was deleted meanwhile', async () => {
  const it = await openClusters()
  const first = await it.cluster('web')
  const hosts = [await it.host('a'), await it.host('b'), await it.host('c')] as const
  for (const host of hosts.toReversed()) await it.join(host, 'web', first)
  expect(it.hosts.membersOf('web').map((host) => host.address)).toEqual(['c', 'b', 'a'])
  expect(it.hosts.all().map((host) => host.address)).toEqual(['a', 'b', 'c'])
  await it.deleteCluster('web')
  expect(it.hosts.membersOf('web')).toEqual([])
  await it.cluster('web')
  await it.join(hosts[0], 'web', first)
  expect(it.hosts.membersOf('web')).toEqual([])
})

test('a check that does not reach a host makes it fail, and one that does gives it back its state', async () => {
  const it = await openClusters()
  const creation = await it.cluster('web', 'm')
  const host = await it.host(address)
  await it.join(host, 'web', creation)
  await investigate(it, host, 'm')
  const check = async (reached: boolean, at: string) =>
    it.succeed(await it.request('clusters.check', {}), { hosts: [{ address, reached, at }] })
  const event = await check(false, '2030-01-01T00:00:00.000Z')
  expect(it.hosts.byAddress(address)).toMatchObject({ status: 'failed', failure: { event, at: '2030-01-01T00:00:00.000Z' } })
  await check(false, '2030-01-01T00:01:00.000Z')
  expect(it.hosts.byAddress(address)?.failure).toEqual({ event, at: '2030-01-01T00:00:00.000Z' })
  await check(true, '2030-01-01T00:02:00.000Z')
  expect(it.hosts.byAddress(address)).toMatchObject({ status: 'active', lastCheck: '2030-01-01T00:02:00.000Z', failure: null })
  await check(false, '2030-01-01T00:03:00.000Z')
  await it.leave(host, 'web')
  await check(true, '2030-01-01T00:04:00.000Z')
  expect(it.hosts.byAddress(address)?.status).toBe('disassociated')
})

test('checks have no say in hosts that are investigated, that failed their investigation, or that came later', async () => {
  const it = await openClusters()
  const investigated = await it.host('a')
  const failed = await it.host('b')
  await it.request('clusters.investigate', { ...investigated })
  await it.fail(await it.request('clusters.investigate', { ...failed }))
  const check = await it.request('clusters.check', {})
  const later = await it.host('c')
  await investigate(it, later)
  const before = it.hosts.all()
  const at = '2030-01-01T00:00:00.000Z'
  await it.succeed(check, { hosts: ['a', 'b', 'c', 'gone'].map((one, index) => ({ address: one, reached: index === 1, at })) })
  expect(it.hosts.all()).toEqual(before)
})

test('hosts are due a minute after their last check; those that are restarted, investigated or failed by that are not', async () => {
  const it = await openClusters()
  const creation = await it.cluster('web')
  const [a, b, c, d] = [await it.host('a'), await it.host('b'), await it.host('c'), await it.host('d')]
  for (const host of [a, b, c]) await investigate(it, host)
  await it.fail(await it.request('clusters.investigate', { ...d }))
  const due = (ms: number) => it.hosts.due(ms).map(({ address: one }) => one)
  const now = Date.parse(it.hosts.byAddress('c')?.lastCheck ?? '')
  expect(due(now + 30_000)).toEqual([])
  expect(due(now + 61_000)).toEqual(['a', 'b', 'c'])
  const restart = await it.request('clusters.restart', { cluster: 'web', creation, hosts: [b] }, { targets: { names: ['b'] } })
  await it.tell(restart, 'OperationTargetStarted', { attempt: 1, target: 'b', place: 0 })
  await it.request('clusters.investigate', { ...c })
  expect(due(now + 61_000)).toEqual(['a'])
  await it.fail(restart)
  expect(due(now + 61_000)).toEqual(['a', 'b'])
  const at = new Date(now + 61_000).toISOString()
  await it.succeed(await it.request('clusters.check', {}), { hosts: [{ address: 'a', reached: false, at }] })
  expect(due(now + 62_000)).toEqual(['b'])
  expect(due(now + 122_000)).toEqual(['b', 'a'])
})

test('a changed host key is remembered where it was accepted', async () => {
  const it = await openClusters()
  const host = await it.host(address)
  await investigate(it, host)
  const change = (newFingerprint: string, accepted: boolean) =>
    it.record(`clusterHost-${address}`, ['HostKeyChanged', { address, oldFingerprint: 'SHA256:a', newFingerprint, accepted }])
  await change('SHA256:b', false)
  expect(it.hosts.byAddress(address)?.fingerprint).toBe('SHA256:a')
  await change('SHA256:c', true)
  expect(it.hosts.byAddress(address)?.fingerprint).toBe('SHA256:c')
})
