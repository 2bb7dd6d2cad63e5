import { expect, test } from 'vitest'
import { clusterHost } from '../../../src/commands/clusters/cluster-host.ts'
import { hostSubject } from '../../../src/events/clusters/host.ts'
import { eventId, newId } from '../../../src/lib/ids.ts'
import { type ClustersApp, startClusters } from './clusters-app.ts'

/** A host that a process has recorded which ended before it asked for the investigation. */
const register = async ({ app: { ports } }: ClustersApp, address: string): Promise<void> => {
  const commandId = newId()
  const key = await ports.seal(hostSubject(eventId(commandId, 0)), 'a2V5')
  const settings = { remoteUser: 'root', sshPort: 22, source: '', inferredAddress: false, joins: undefined }
  const actor = { principal: 'anonymous', face: 'clusters', address: null }
  await ports.executor.execute(
    clusterHost,
    { type: 'RegisterHost', address, ...settings, key, keyDigest: 'unknown' },
    { commandId, correlationId: commandId, actor },
  )
}

test('a host that was recorded without its investigation gets it with the next start', async () => {
  const first = await startClusters()
  await register(first, '10.4.0.1')
  expect((await first.ask('GET /v1/operations')).json.items).toEqual([])
  await first.app.stop()
  const second = await startClusters({}, { dataDir: first.dataDir })
  try {
    const [operation, ...others] = (await second.ask('GET /v1/operations')).json.items
    expect(others).toEqual([])
    expect(operation).toMatchObject({ kind: 'clusters.investigate', face: 'clusters', lane: 'host:10.4.0.1' })
    expect((await second.ask('GET /api/v0/host/10.4.0.1')).json.status).toBe('investigating')
  } finally {
    await second.stop()
  }
})
