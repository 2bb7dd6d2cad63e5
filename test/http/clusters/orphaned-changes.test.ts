import { expect, test } from 'vitest'
import { changeRequest } from '../../../src/commands/clusters/change.ts'
import { cluster } from '../../../src/commands/clusters/cluster.ts'
import type { CommandContext } from '../../../src/commands/execute.ts'
import { newId } from '../../../src/lib/ids.ts'
import { startClusters } from './clusters-app.ts'

const context = (): CommandContext => {
  const commandId = newId()
  return { commandId, correlationId: commandId, actor: { principal: 'tester', face: 'clusters', address: null } }
}

test('the change of a cluster that was deleted without its cancellation is cancelled with the next start', async () => {
  const first = await startClusters()
  const { executor, submit } = first.app.ports
  await first.ask('PUT /api/v0/cluster/gone')
  await first.ask('PUT /api/v0/cluster/there')
  const request = async (name: string): Promise<string> => {
    const [created] = (await first.ask(`GET /v1/streams/cluster-${name}`)).json.items
    const input = { cluster: name, creation: created.id, hosts: [] }
    const submitted = await submit({ ...changeRequest('upgrade', input), runAt: '2100-01-01T00:00:00Z' }, context(), {
      internal: true,
    })
    return submitted.refused === undefined ? submitted.operationId : expect.unreachable()
  }
  const [gone, there] = [await request('gone'), await request('there')]
  await executor.execute(cluster, { type: 'DeleteCluster', name: 'gone', members: [] }, context())
  await first.app.stop()

  const second = await startClusters({}, { dataDir: first.dataDir })
  try {
    expect((await second.ask(`GET /v1/operations/${gone}?wait=60`)).json.state).toBe('cancelled')
    expect((await second.ask(`GET /v1/operations/${there}`)).json.state).toBe('pending')
  } finally {
    await second.stop()
  }
})
