import { expect, test } from 'vitest'
import type { KnownHost } from '../../../src/commands/clusters/investigation.ts'
import { type Clusters, investigate, openClusters } from './harness.ts'

const hostsOf = async (it: Clusters): Promise<readonly KnownHost[]> => [
  await it.host('a'),
  await it.host('b'),
  await it.host('c'),
]

const change = (it: Clusters, name: string, creation: string, hosts: readonly KnownHost[], more: object = {}) =>
  it.request(
    `clusters.${name}`,
    { cluster: 'web', creation, hosts: hosts.map((host) => ({ ...host })), ...more },
    { targets: { names: hosts.map(({ address }) => address) } },
  )
const start = (it: Clusters, operation: string, target: string, place: number) =>
  it.tell(operation, 'OperationTargetStarted', { attempt: 1, target, place })
const end = (it: Clusters, operation: string, target: string, place: number, succeeded = true) =>
  it.tell(
    operation,
    succeeded ? 'OperationTargetSucceeded' : 'OperationTargetFailed',
    succeeded
      ? { attempt: 1, target, place, result: {} }
      : { attempt: 1, target, place, error: { type: 'command-failed', message: 'no', retryable: false } },
  )
const lists = (it: Clusters, operation: string) => {
  const listed = (state: 'started' | 'succeeded') => it.hosts.ofChange(operation, state).map(({ address }) => address)
  return { done: listed('succeeded'), at: listed('started') }
}

test('hosts go from list to list, and the one that failed stays where it was', async () => {
  const it = await openClusters()
  const creation = await it.cluster('web')
  const hosts = await hostsOf(it)
  for (const host of hosts) await investigate(it, host)
  const checked = it.hosts.byAddress('a')?.lastCheck ?? ''
  const operation = await change(it, 'deploy', creation, hosts, { version: '7' })
  expect(it.changes.latest(creation, 'deploy')).toMatchObject({
    ...{ operation, cluster: 'web', change: 'deploy', version: '7', status: 'in_process', finishedAt: null },
    requestedAt: expect.stringMatching(/Z$/),
  })
  expect(lists(it, operation)).toEqual({ done: [], at: [] })
  await start(it, operation, 'a', 0)
  expect(lists(it, operation)).toEqual({ done: [], at: ['a'] })
  await end(it, operation, 'a', 0)
  expect(lists(it, operation)).toEqual({ done: ['a'], at: [] })
  expect((it.hosts.byAddress('a')?.lastCheck ?? '') >= checked).toBe(true)
  await start(it, operation, 'b', 1)
  // A lost worker changes nothing.
  await it.tell(operation, 'OperationAttemptFailed', {
    ...{ attempt: 1, error: { type: 'lost', message: 'no', retryable: true }, retryAt: '2030-01-01T00:00:00.000Z' },
  })
  expect(lists(it, operation)).toEqual({ done: ['a'], at: ['b'] })
  await end(it, operation, 'b', 1, false)
  await it.fail(operation)
  expect(lists(it, operation)).toEqual({ done: ['a'], at: ['b'] })
  expect(it.changes.latest(creation, 'deploy')).toMatchObject({ status: 'failed', finishedAt: expect.stringMatching(/Z$/) })
  expect(it.hosts.lastErrorOf('b')).toMatchObject({ type: 'command-failed' })
})

test('an operation without hosts ends as any other', async () => {
  const it = await openClusters()
  const creation = await it.cluster('web')
  const operation = await change(it, 'upgrade', creation, [])
  await it.succeed(operation)
  expect(it.changes.latest(creation, 'upgrade')).toMatchObject({ status: 'finished', version: null })
})

test('the latest of each change counts, retries too, whichever targets they go over', async () => {
  const it = await openClusters()
  const creation = await it.cluster('web')
  const hosts = await hostsOf(it)
  const first = await change(it, 'upgrade', creation, hosts)
  const restart = await change(it, 'restart', creation, hosts)
  await it.fail(first)
  const input = { cluster: 'web', creation, hosts: hosts.map((host) => ({ ...host })) }
  const retry = await it.request('clusters.upgrade', input, { targets: { names: ['b', 'c'] }, retryOf: first })
  await start(it, retry, 'b', 0)
  await end(it, retry, 'b', 0)
  expect(it.changes.latest(creation, 'upgrade')?.operation).toBe(retry)
  expect(it.changes.latest(creation, 'restart')?.operation).toBe(restart)
  expect(lists(it, retry)).toEqual({ done: ['b'], at: [] })
  // What is no longer the latest, and has ended, is forgotten.
  expect(lists(it, first)).toEqual({ done: [], at: [] })
  expect(it.changes.unfinished('web').map(({ operation }) => operation)).toEqual([restart, retry])
})

test('records belong to one creation of a cluster; what still runs of another is known until it ends', async () => {
  const it = await openClusters()
  const first = await it.cluster('web')
  const hosts = await hostsOf(it)
  await it.succeed(await change(it, 'restart', first, hosts))
  const running = await change(it, 'upgrade', first, hosts)
  await start(it, running, 'a', 0)
  expect(it.changes.orphaned()).toEqual([])
  await it.deleteCluster('web')
  const second = await it.cluster('web')
  expect(it.changes.latest(second, 'upgrade')).toBeUndefined()
  expect(it.changes.latest(first, 'restart')).toBeUndefined()
  expect(it.changes.unfinished('web').map(({ operation }) => operation)).toEqual([running])
  expect(it.changes.orphaned().map(({ operation }) => operation)).toEqual([running])
  await it.tell(running, 'OperationCancelled', { attempt: 1, reason: null })
  expect(it.changes.unfinished('web')).toEqual([])
  expect(it.changes.latest(first, 'upgrade')).toBeUndefined()
})

test('of another host at the address an operation says nothing', async () => {
  const it = await openClusters()
  const creation = await it.cluster('web')
  const host = await it.host('a')
  const operation = await change(it, 'upgrade', creation, [host])
  await start(it, operation, 'a', 0)
  expect(it.hosts.ofChange(operation, 'started')).toEqual([it.hosts.byAddress('a')])
  await it.record('clusterHost-a', ['HostDeleted', { address: 'a' }])
  expect(it.hosts.ofChange(operation, 'started')).toEqual([{ address: 'a' }])
  await it.host('a')
  await end(it, operation, 'a', 0)
  expect(it.hosts.byAddress('a')?.lastCheck).toBeNull()
  expect(lists(it, operation)).toEqual({ done: ['a'], at: [] })
})
