import { test } from 'vitest'
import { type ClusterCommand, cluster } from '../../../src/commands/clusters/cluster.ts'
import type { ClusterEvent } from '../../../src/events/clusters/cluster.ts'
import { given } from '../../given.ts'

const name = 'web'
const created: ClusterEvent = { type: 'ClusterCreated', data: { name, network: 'default', containerManager: '' } }
const replaced = (operationId: string, old: string[] = [], hosts: string[] = ['a']): ClusterEvent => ({
  type: 'ClusterHostsReplaced',
  data: { name, old, new: hosts, operationId },
})
const replace = (more: Partial<Extract<ClusterCommand, { type: 'ReplaceHosts' }>> = {}): ClusterCommand => ({
  ...{ type: 'ReplaceHosts', name, old: [], new: ['a'], members: [], ended: null, operationId: 'one' },
  ...more,
})
const conflict = { refused: { reason: 'hosts-conflict' } } as const

test('a cluster is created with the defaults', () => {
  given(cluster).when({ type: 'ConfigureCluster', name }).then([created])
})

test('a cluster that is there takes what is given and differs', () => {
  given(cluster, [created]).when({ type: 'ConfigureCluster', name }).then([])
  given(cluster, [created]).when({ type: 'ConfigureCluster', name, network: 'default', containerManager: '' }).then([])
  given(cluster, [created])
    .when({ type: 'ConfigureCluster', name, network: 'flannel', containerManager: '' })
    .then([{ type: 'ClusterSettingsChanged', data: { name, network: 'flannel' } }])
})

test('a cluster that is not there has no hosts to replace, and is not deleted', () => {
  const absent = { refused: { reason: 'unknown-cluster' } } as const
  given(cluster).when(replace()).then(absent)
  given(cluster).when({ type: 'DeleteCluster', name, members: [] }).then(absent)
})

test('hosts are replaced where the old ones are the members, in any order and each counted once', () => {
  given(cluster, [created])
    .when(replace({ old: ['b', 'a', 'b'], members: ['a', 'b'], new: ['c', 'c'] }))
    .then([replaced('one', ['b', 'a'], ['c'])])
  given(cluster, [created])
    .when(replace({ old: ['a'], members: ['a', 'b'] }))
    .then(conflict)
  given(cluster, [created])
    .when(replace({ old: ['a', 'b'], members: ['a'] }))
    .then(conflict)
})

test('of two replacements the later is refused until the operation of the first has ended', () => {
  const first = [created, replaced('one')]
  given(cluster, first)
    .when(replace({ operationId: 'two' }))
    .then(conflict)
  given(cluster, first)
    .when(replace({ operationId: 'two', ended: 'one' }))
    .then([replaced('two')])
  given(cluster, [...first, replaced('two')])
    .when(replace({ operationId: 'three', ended: 'one' }))
    .then(conflict)
})

test('the same replacement once more is nothing', () => {
  given(cluster, [created, replaced('one')])
    .when(replace())
    .then([])
})

test('a deleted cluster may be created anew, and knows nothing of the one before', () => {
  const deleted: ClusterEvent = { type: 'ClusterDeleted', data: { name, members: ['a'] } }
  given(cluster, [created])
    .when({ type: 'DeleteCluster', name, members: ['a'] })
    .then([deleted])
  const again = [created, replaced('one'), deleted, created]
  given(cluster, again)
    .when(replace({ operationId: 'two' }))
    .then([replaced('two')])
})
