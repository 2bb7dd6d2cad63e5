import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { getJson, type Json, postJson, startServer, temporaryDirectory, untilEnded } from './harness.ts'

const hosts = Array.from({ length: 24 }, (_, n) => `host-${n}`)

test.each([1, 4])('killed in the middle of %d targets at a time, what has succeeded is run once', async (parallel) => {
  const dataDir = temporaryDirectory()
  const runsFile = join(dataDir, 'runs')
  const start = () => startServer({ dataDir, program: 'test/e2e/fan-out-child.ts', env: { RUNS_FILE: runsFile } })
  const first = await start()
  const input = { hosts, parallel, takesMs: 40 }
  const { id } = (await (await postJson(`${first.url}/v1/operations`, { kind: 'fan-out', input })).json()) as { id: string }
  for (let etag = '"-1"'; ; ) {
    const response = await fetch(`${first.url}/v1/operations/${id}?wait=20`, { headers: { 'If-None-Match': etag } })
    etag = response.headers.get('etag') ?? etag
    if (response.status === 200 && ((await response.json()) as { targets: { succeeded: number } }).targets.succeeded >= 6) break
  }
  first.kill('SIGKILL')
  await first.ended

  const second = await start()
  const ended = await untilEnded(second.url, id)
  expect(ended).toMatchObject({
    state: 'succeeded',
    attempt: 2,
    result: { succeeded: 24 },
    targets: { succeeded: 24, waiting: 0 },
  })
  const { items } = (await getJson(`${second.url}/v1/operations/${id}/events?limit=1000`)) as unknown as {
    items: { type: string; data: Json }[]
  }
  const lost = items.findIndex(({ type }) => type === 'OperationAttemptFailed')
  const of = (events: typeof items, type: string) => events.filter((event) => event.type === type).map(({ data }) => data.target)
  const before = of(items.slice(0, lost), 'OperationTargetSucceeded')
  expect(before.length).toBeGreaterThanOrEqual(6)
  expect(of(items, 'OperationTargetSucceeded').toSorted()).toEqual(hosts.toSorted())
  const again = of(items.slice(lost), 'OperationTargetStarted')
  expect(again).toEqual(hosts.filter((host) => !before.includes(host)))
  const runs = readFileSync(runsFile, 'utf8').trim().split('\n')
  expect(runs.filter((host) => before.includes(host)).toSorted()).toEqual(before.toSorted())
  expect(new Set(runs).size).toBe(24)
  expect(runs.length).toBeLessThanOrEqual(24 + parallel)
})
