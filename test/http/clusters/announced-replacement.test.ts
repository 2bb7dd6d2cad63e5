import { expect, onTestFinished, test } from 'vitest'
import { cluster } from '../../../src/commands/clusters/cluster.ts'
import { newId } from '../../../src/lib/ids.ts'
import { settableClock } from '../../workers/engine.ts'
import { startApp } from '../app.ts'
import { readyHost } from './ready-host.ts'

test('a replacement whose operation was never asked for, because the server ended, holds up others for a minute', async () => {
  const clock = settableClock()
  const it = await startApp({}, { clock })
  onTestFinished(() => it.stop())
  await it.ask('PUT /api/v0/cluster/web')
  await readyHost(it, 'a')
  await readyHost(it, 'b')
  const { executor } = it.app.ports
  const operationId = newId()
  const context = { commandId: newId(), correlationId: newId(), actor: { principal: 'tester', face: 'clusters', address: null } }
  const announced = { old: [], new: ['a'], members: [], ended: null, operationId }
  await executor.execute(cluster, { type: 'ReplaceHosts', name: 'web', ...announced }, context)

  const replace = () => it.ask('PUT /api/v0/cluster/web/hosts', { body: { old: [], new: ['b'] } })
  expect((await replace()).status).toBe(409)
  clock.set(61_000)
  expect((await replace()).json).toMatchObject({ hostset: ['b'] })
  expect((await it.ask('GET /api/v0/cluster/web/hosts')).json).toEqual(['b'])

  // Should it be asked for all the same, it does nothing.
  const input = { cluster: 'web', creation: '', manager: '', isReplacement: true, removals: [], additions: [] }
  await it.app.ports.submit({ kind: 'clusters.register', input }, { ...context, commandId: operationId }, { internal: true })
  const late = (await it.ask(`GET /v1/operations/${operationId}?wait=30`)).json
  expect(late).toMatchObject({ state: 'failed', error: { type: 'superseded' } })
})

test('the same request under its key is carried out once, and answered again', async () => {
  const it = await startApp()
  onTestFinished(() => it.stop())
  await it.ask('PUT /api/v0/cluster/web')
  await readyHost(it, 'a')
  const body = { old: [], new: ['a'] }
  const headers = { 'Idempotency-Key': 'replace-1' }
  const first = await it.ask('PUT /api/v0/cluster/web/hosts', { body, headers })
  const again = await it.ask('PUT /api/v0/cluster/web/hosts', { body, headers })
  expect([first.status, again.status, again.json]).toEqual([200, 200, first.json])
  const replaced = await Array.fromAsync(it.app.ports.log.readStream('cluster-web'))
  expect(replaced.filter(({ type }) => type === 'ClusterHostsReplaced')).toHaveLength(1)
})
