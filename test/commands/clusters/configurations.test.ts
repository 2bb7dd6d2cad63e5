import { test } from 'vitest'
import { type ClusterManagerCommand, clusterManager } from '../../../src/commands/clusters/cluster-manager.ts'
import { type ClusterNetworkCommand, clusterNetwork } from '../../../src/commands/clusters/cluster-network.ts'
import type { ManagerEvent } from '../../../src/events/clusters/manager.ts'
import type { NetworkEvent } from '../../../src/events/clusters/network.ts'
import { given } from '../../given.ts'

const token = (sealed = 'v1.x') => ({ $sealed: sealed, subject: 'clusterManager-1' })

test('the network default is there without an event until it is deleted', () => {
  const name = 'default'
  const create = (options: object = {}): ClusterNetworkCommand => ({
    ...{ type: 'CreateNetwork', name, network: { type: 'flannel_etcd', options: options as never } },
  })
  const deleted: NetworkEvent = { type: 'NetworkDeleted', data: { name } }
  given(clusterNetwork).when(create()).then([])
  given(clusterNetwork)
    .when(create({ address: 'x' }))
    .then({ refused: { reason: 'network-exists' } })
  given(clusterNetwork).when({ type: 'DeleteNetwork', name }).then([deleted])
  given(clusterNetwork, [deleted])
    .when(create())
    .then([{ type: 'NetworkCreated', data: { name, type: 'flannel_etcd', options: {} } }])
  given(clusterNetwork, [deleted])
    .when({ type: 'DeleteNetwork', name })
    .then({ refused: { reason: 'unknown-network' } })
})

test('another network is created once, and is the same whatever the order of its options', () => {
  const name = 'flannel'
  const create = (options: object): ClusterNetworkCommand => ({
    ...{ type: 'CreateNetwork', name, network: { type: 'flannel_server', options: options as never } },
  })
  const created: NetworkEvent = { type: 'NetworkCreated', data: { name, type: 'flannel_server', options: { a: 1, b: [2] } } }
  given(clusterNetwork)
    .when(create({ a: 1, b: [2] }))
    .then([created])
  given(clusterNetwork, [created])
    .when(create({ b: [2], a: 1 }))
    .then([])
  given(clusterNetwork, [created])
    .when(create({ a: 1, b: [3] }))
    .then({ refused: { reason: 'network-exists' } })
  given(clusterNetwork)
    .when({ type: 'DeleteNetwork', name })
    .then({ refused: { reason: 'unknown-network' } })
})

const name = 'm'
const configured = (tokenDigest: string | null = 'digest'): ManagerEvent => ({
  type: 'ContainerManagerConfigured',
  data: { name, type: 'openshift', options: tokenDigest === null ? { a: 1 } : { a: 1, token: token() }, tokenDigest },
})
const confirm = (
  manager: { tokenDigest: string | null; type?: 'trivial'; a?: number },
  sealed: string | undefined = 'v1.x',
): ClusterManagerCommand => ({
  type: 'ConfirmManager',
  name,
  token: sealed,
  manager: { type: manager.type ?? 'openshift', options: { a: manager.a ?? 1 }, tokenDigest: manager.tokenDigest },
})

test('a container manager is configured once, with a sealed token', () => {
  const configure = (sealed: string, tokenDigest = 'digest'): ClusterManagerCommand => ({
    type: 'ConfigureManager',
    name,
    manager: { type: 'openshift', options: { a: 1, token: token(sealed) }, tokenDigest },
  })
  given(clusterManager).when(configure('v1.x')).then([configured()])
  // The seals of one text differ.
  given(clusterManager, [configured()]).when(configure('v1.y')).then([])
  given(clusterManager, [configured()])
    .when(configure('v1.y', 'under another key'))
    .then({ refused: { reason: 'manager-changed' } })
})

test('the same content is nothing, other content is refused', () => {
  const exists = { refused: { reason: 'manager-exists' } } as const
  given(clusterManager, [configured()])
    .when(confirm({ tokenDigest: 'digest' }))
    .then([])
  given(clusterManager, [configured()])
    .when(confirm({ tokenDigest: 'other' }))
    .then(exists)
  given(clusterManager, [configured()])
    .when(confirm({ tokenDigest: null }))
    .then(exists)
  given(clusterManager, [configured()])
    .when(confirm({ tokenDigest: 'digest', type: 'trivial' }))
    .then(exists)
  given(clusterManager, [configured()])
    .when(confirm({ tokenDigest: 'digest', a: 2 }))
    .then(exists)
})

test('a command for another configuration is looked at again', () => {
  const changed = { refused: { reason: 'manager-changed' } } as const
  given(clusterManager, [configured()])
    .when(confirm({ tokenDigest: 'digest' }, 'v1.y'))
    .then(changed)
  given(clusterManager)
    .when(confirm({ tokenDigest: 'digest' }))
    .then(changed)
  const removed: ManagerEvent = { type: 'ContainerManagerRemoved', data: { name } }
  given(clusterManager, [configured(), removed])
    .when(confirm({ tokenDigest: 'digest' }))
    .then(changed)
})

test('a container manager is removed once', () => {
  const removed: ManagerEvent = { type: 'ContainerManagerRemoved', data: { name } }
  given(clusterManager, [configured(null)])
    .when({ type: 'RemoveManager', name })
    .then([removed])
  given(clusterManager, [configured(), removed])
    .when({ type: 'RemoveManager', name })
    .then({ refused: { reason: 'unknown-manager' } })
})
