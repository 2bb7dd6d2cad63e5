import { expect, test } from 'vitest'
import { type ClusterHostCommand, clusterHost } from '../../../src/commands/clusters/cluster-host.ts'
import type { HostEvent } from '../../../src/events/clusters/host.ts'
import { given } from '../../given.ts'

const address = '10.0.0.1'
const settings = { remoteUser: 'root', sshPort: 22, source: '', inferredAddress: false }
const keyOf = (registration: string) => ({ $sealed: 'v1.x', subject: `clusterHost-${registration}` })
const registered = (registration = 'r1', cluster?: string): HostEvent => ({
  type: 'HostRegistered',
  data: { address, ...settings, key: keyOf(registration), keyDigest: 'digest', ...(cluster === undefined ? {} : { cluster }) },
})
const joined = (cluster = 'web', creation = 'c1', operationId?: string): HostEvent => ({
  type: 'HostJoinedCluster',
  data: { address, cluster, creation, ...(operationId === undefined ? {} : { operationId }) },
})
const left = (reason: 'removed' | 'hostDeleted', cluster = 'web'): HostEvent => ({
  type: 'HostLeftCluster',
  data: { address, cluster, reason },
})
const deleted: HostEvent = { type: 'HostDeleted', data: { address } }
const register = (registration = 'r1', joins?: { cluster: string; creation: string }): ClusterHostCommand => ({
  ...{ type: 'RegisterHost', address, ...settings, key: keyOf(registration), keyDigest: 'digest', joins },
})
const join = (more: Partial<Extract<ClusterHostCommand, { type: 'JoinCluster' }>> = {}): ClusterHostCommand => ({
  ...{ type: 'JoinCluster', address, registration: 'r1', joins: { cluster: 'web', creation: 'c1' }, operationId: 'op' },
  ...more,
})

test('a host is registered, and is a member at once where a cluster is named', () => {
  given(clusterHost).when(register()).then([registered()])
  given(clusterHost)
    .when(register('r1', { cluster: 'web', creation: 'c1' }))
    .then([registered('r1', 'web'), joined()])
})

test('a host that is there is not registered again; the same command once more is nothing', () => {
  given(clusterHost, [registered()])
    .when(register('r2'))
    .then({ refused: { reason: 'host-changed' } })
  given(clusterHost, [registered()]).when(register()).then([])
})

test('a registration after a deletion is another one', () => {
  given(clusterHost, [registered(), deleted])
    .when(register('r2'))
    .then([registered('r2')])
  expect(given(clusterHost, [registered(), joined(), deleted, registered('r2')]).state()).toMatchObject({
    registration: 'r2',
    member: null,
  })
})

test('keys are compared by digests under the data key of the same registration', () => {
  const confirm = (keyDigest: string, registration = 'r1'): ClusterHostCommand => ({
    ...{ type: 'ConfirmHost', address, registration, keyDigest },
  })
  given(clusterHost, [registered()]).when(confirm('digest')).then([])
  given(clusterHost, [registered()])
    .when(confirm('other'))
    .then({ refused: { reason: 'other-key' } })
  given(clusterHost, [registered()])
    .when(confirm('digest', 'r0'))
    .then({ refused: { reason: 'host-changed' } })
  given(clusterHost)
    .when(confirm('digest'))
    .then({ refused: { reason: 'unknown-host' } })
})

test('a host is in one cluster at most', () => {
  given(clusterHost, [registered()])
    .when(join())
    .then([joined('web', 'c1', 'op')])
  given(clusterHost, [registered(), joined()]).when(join()).then([])
  given(clusterHost, [registered(), joined('db', 'c2')])
    .when(join())
    .then({ refused: { reason: 'member-elsewhere', cluster: 'db' } })
  given(clusterHost, [registered(), joined('db', 'c2'), left('removed', 'db')])
    .when(join({ operationId: undefined }))
    .then([joined()])
})

test('a member of a cluster that no longer exists may join another one, also of the same name', () => {
  given(clusterHost, [registered(), joined('web', 'c0')])
    .when(join())
    .then({ refused: { reason: 'member-elsewhere', cluster: 'web' } })
  given(clusterHost, [registered(), joined('web', 'c0')])
    .when(join({ gone: 'c0' }))
    .then([joined('web', 'c1', 'op')])
})

test('another host at the address does not join', () => {
  given(clusterHost, [registered('r2')])
    .when(join())
    .then({ refused: { reason: 'host-changed' } })
})

test('a host leaves the cluster that it is in, and no other', () => {
  const leave = (cluster: string): ClusterHostCommand => ({ type: 'LeaveCluster', address, cluster, reason: 'removed' })
  given(clusterHost, [registered(), joined()])
    .when(leave('web'))
    .then([left('removed')])
  given(clusterHost, [registered(), joined()]).when(leave('db')).then([])
  given(clusterHost, [registered()]).when(leave('web')).then([])
})

test('a new key of the host is recorded once, until yet another comes or it is accepted', () => {
  const record = (newFingerprint: string, accepted = false): ClusterHostCommand => ({
    ...{ type: 'RecordHostKey', address, registration: 'r1', oldFingerprint: 'A', newFingerprint, accepted },
  })
  const changed = (newFingerprint: string, accepted = false): HostEvent => ({
    type: 'HostKeyChanged',
    data: { address, oldFingerprint: 'A', newFingerprint, accepted },
  })
  given(clusterHost, [registered()])
    .when(record('B'))
    .then([changed('B')])
  given(clusterHost, [registered(), changed('B')])
    .when(record('B'))
    .then([])
  given(clusterHost, [registered(), changed('B')])
    .when(record('C'))
    .then([changed('C')])
  given(clusterHost, [registered(), changed('B')])
    .when(record('B', true))
    .then([changed('B', true)])
  given(clusterHost, [registered(), changed('B', true)])
    .when(record('B', true))
    .then([])
})

test('a deletion takes a member out of its cluster', () => {
  given(clusterHost, [registered()]).when({ type: 'DeleteHost', address, registration: 'r1' }).then([deleted])
  given(clusterHost, [registered(), joined()])
    .when({ type: 'DeleteHost', address, registration: 'r1' })
    .then([left('hostDeleted'), { type: 'HostDeleted', data: { address, cluster: 'web' } }])
  given(clusterHost, [registered(), deleted])
    .when({ type: 'DeleteHost', address, registration: 'r1' })
    .then({ refused: { reason: 'unknown-host' } })
  given(clusterHost, [registered('r2')])
    .when({ type: 'DeleteHost', address, registration: 'r1' })
    .then({ refused: { reason: 'host-changed' } })
})

test('who reads a key is on the record, also where the host is gone', () => {
  const read: HostEvent = { type: 'HostCredentialsRead', data: { address } }
  given(clusterHost, [registered()]).when({ type: 'RecordCredentialsRead', address }).then([read])
  given(clusterHost, [registered(), deleted]).when({ type: 'RecordCredentialsRead', address }).then([read])
})
