import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import {
  eventsOf,
  type Json,
  postJson,
  startServer,
  submitProbe,
  temporaryDirectory,
  terminalTypes,
  untilEnded,
  untilState,
} from './harness.ts'

const leaseMs = 500

/** A frozen process loses its lease by the clock, so this is the one place where a test must let time go by. */
const freezePastLease = async (server: { kill(signal: NodeJS.Signals): void }): Promise<void> => {
  server.kill('SIGSTOP')
  await systemClock.sleep(4 * leaseMs)
  server.kill('SIGCONT')
}

test('an attempt that was frozen past its lease is lost; only a later attempt gives the outcome', async () => {
  const server = await startServer({ env: { LEASE_MS: String(leaseMs) } })
  const ids = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      submitProbe(server.url, { sleepMs: 800, output: 'once per attempt\n', echo: index }),
    ),
  )
  for (const id of ids) await untilState(server.url, id, 'running')
  await freezePastLease(server)
  for (const id of ids) {
    const operation = await untilEnded(server.url, id)
    expect(operation).toMatchObject({ state: 'succeeded', attempt: 2, result: { attempt: 2 } })
    const events = await eventsOf(server.url, id)
    const failed = events.filter(({ type }) => type === 'OperationAttemptFailed')
    expect(failed.map(({ data }) => data)).toMatchObject([{ attempt: 1, error: { type: 'worker-lost' } }])
    expect(events.filter(({ type }) => terminalTypes.includes(type))).toHaveLength(1)
    expect(events.at(-1)?.type).toBe('OperationSucceeded')
  }
})

test('work that is not to be repeated fails when its worker was lost', async () => {
  const kinds = temporaryDirectory()
  const manifest = { kind: 'own.once', description: 'Never repeated', run: ['sleep', '0.8'], policy: { whenLost: 'fail' } }
  writeFileSync(join(kinds, 'once.json'), JSON.stringify(manifest))
  const server = await startServer({ env: { LEASE_MS: String(leaseMs), KINDS_DIR: kinds } })
  const answer = await postJson(`${server.url}/v1/operations`, { kind: 'own.once', input: {} })
  const id = String(((await answer.json()) as Json).id)
  await untilState(server.url, id, 'running')
  await freezePastLease(server)
  expect(await untilEnded(server.url, id)).toMatchObject({ state: 'failed', attempt: 1, error: { type: 'worker-lost' } })
})
