import { expect, test } from 'vitest'
import { changes } from '../../../src/commands/clusters/change.ts'
import { ChangeRecords, changeRecord, dateOf, doneMembers } from '../../../src/http/clusters/records.ts'
import { investigate, openClusters } from '../../projections/clusters/harness.ts'

const date = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)

test.each([
  ['2026-12-01T05:27:00.123Z', '2026-12-01T05:27:00.123000'],
  ['2026-12-01T05:27:00Z', '2026-12-01T05:27:00.000000'],
  ['2026-12-01T05:27:00.1234567Z', '2026-12-01T05:27:00.123456'],
])('%s is %s', (instant, shown) => expect(dateOf(instant)).toBe(shown))

test.each(changes)('the record of a %s has its members and no others, with hosts as they are now', async (change) => {
  const it = await openClusters()
  const creation = await it.cluster('web')
  const hosts = [await it.host('a'), await it.host('b'), await it.host('c')]
  for (const host of hosts) await investigate(it, host)
  const version = change === 'deploy' ? { version: '7.2' } : {}
  const input = { cluster: 'web', creation, hosts: hosts.map((host) => ({ ...host })), ...version }
  const operation = await it.request(`clusters.${change}`, input, { targets: { names: ['a', 'b', 'c'] } })
  const done = doneMembers[change]
  const shown = () => changeRecord(it.changes.latest(creation, change) ?? expect.unreachable(), it)
  const record = {
    name: 'web',
    status: 'in_process',
    ...version,
    [done]: [],
    in_process: [],
    started_at: date,
    finished_at: null,
  }
  expect(shown()).toEqual(record)
  for (const place of [0, 1]) {
    const target = hosts[place]?.address ?? ''
    await it.tell(operation, 'OperationTargetStarted', { attempt: 1, target, place })
    if (place === 0) await it.tell(operation, 'OperationTargetSucceeded', { attempt: 1, target, place, result: {} })
  }
  await it.record('clusterHost-a', ['HostDeleted', { address: 'a' }])
  await it.fail(operation)
  expect(shown()).toEqual({
    ...{ ...record, status: 'failed', finished_at: date },
    [done]: [{ address: 'a' }],
    in_process: [expect.objectContaining({ address: 'b', status: 'disassociated', os: 'fedora', last_check: date })],
  })
  expect(ChangeRecords[change].strict().safeParse(shown()).success).toBe(true)
})
