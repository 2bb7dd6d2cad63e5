import { expect, test } from 'vitest'
import { allEvents, getJson, startServer, temporaryDirectory, untilEnded } from './harness.ts'

const items = (run: string, sleepMs = 0) =>
  Array.from({ length: 400 }, (_, echo) => ({ kind: 'probe', input: { echo, sleepMs }, labels: { run } }))

const post = (url: string, path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  fetch(url + path, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) })

const countOf = async (url: string, run: string): Promise<number> => {
  const { byKind } = (await getJson(`${url}/v1/operations:counts?label=run:${run}`)) as { byKind: Record<string, number> }
  return byKind.probe ?? 0
}

test('a batch whose server is killed in the middle is there as a whole or not at all', async () => {
  const dataDir = temporaryDirectory()
  for (const [n, afterMs] of [5, 20, 45].entries()) {
    const server = await startServer({ dataDir })
    const sent = post(server.url, '/v1/operations:batch', { items: items(`killed-${n}`) }).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    server.kill('SIGKILL')
    await sent
    await server.ended
  }
  const server = await startServer({ dataDir })
  const events = await allEvents(server.url)
  for (const n of [0, 1, 2]) {
    const accepted = events.filter(({ type, data }) => type === 'BatchAccepted' && JSON.stringify(data).includes(`killed-${n}"`))
    await expect.poll(() => countOf(server.url, `killed-${n}`), { timeout: 60_000 }).toBe(accepted.length * 400)
  }
  const batches = events.filter(({ type }) => type === 'BatchAccepted').length
  await expect
    .poll(async () => (await allEvents(server.url)).filter(({ type }) => type === 'BatchCompleted').length, { timeout: 60_000 })
    .toBe(batches)
})

test('a bulk retry whose server is killed in the middle makes one new operation of each', async () => {
  const dataDir = temporaryDirectory()
  const env = { LEASE_MS: '1000' }
  const first = await startServer({ dataDir, env })
  await post(first.url, '/v1/operations:batch', { items: items('bulk', 600_000) })
  const cancel = { filter: { label: 'run:bulk' }, expected: 400 }
  await post(first.url, '/v1/operations:cancel', cancel, { Prefer: 'wait=60' })
  await expect
    .poll(async () => (await getJson(`${first.url}/v1/operations:counts?label=run:bulk`)).byState, { timeout: 60_000 })
    .toEqual({ cancelled: 400 })
  const accepted = await post(first.url, '/v1/operations:retry', cancel)
  const { id } = (await accepted.json()) as { id: string }
  await expect
    .poll(async () => ((await getJson(`${first.url}/v1/operations/${id}`)).targets as { succeeded: number }).succeeded, {
      timeout: 60_000,
      interval: 5,
    })
    .toBeGreaterThan(20)
  first.kill('SIGKILL')
  await first.ended
  const second = await startServer({ dataDir, env })
  expect(await untilEnded(second.url, id)).toMatchObject({ state: 'succeeded', result: { succeeded: 400 } })
  const requested = (await allEvents(second.url)).filter(({ type }) => type === 'OperationRequested')
  const retried = requested.flatMap(({ data }) => (data.kind === 'probe' && data.retryOf !== null ? [data.retryOf] : []))
  expect(retried).toHaveLength(400)
  expect(new Set(retried).size).toBe(400)
})
