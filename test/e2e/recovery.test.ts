import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { canOwnEventStoreDb, canOwnKafka, ownEventStoreDb, ownKafka } from '../engines/own.ts'
import { type ClusterNode, openCluster, probeWorkers } from './cluster.ts'
import { eventsOf, submitProbe, untilEnded, untilState } from './harness.ts'

const leaseMs = 10_000
const sessionTimeoutMs = 6_000
const marginMs = 2_000
const jobsFlowWithinMs = 10_000
const many = 20

const open = async (workerNames: readonly string[]) => {
  const [eventStoreDb, kafka] = await Promise.all([ownEventStoreDb(), ownKafka()])
  onTestFinished(async () => {
    await Promise.all([eventStoreDb.stop(), kafka.stop()])
  })
  const cluster = openCluster({
    eventStoreDbUrl: eventStoreDb.url,
    kafkaBrokers: kafka.brokers,
    env: { LEASE_MS: String(leaseMs), KAFKA_SESSION_TIMEOUT_MS: String(sessionTimeoutMs) },
  })
  const server = cluster.server('server')
  const workers = workerNames.map((name) => cluster.worker(name))
  await Promise.all([server, ...workers].map((node) => node.start()))
  return { server, workers, kafka }
}

const startedAt = async (server: ClusterNode, id: string, attempt: number): Promise<number> => {
  const events = await eventsOf(server.url(), id)
  const start = events.find(({ type, data }) => type === 'OperationStarted' && data.attempt === attempt)
  return Date.parse(start?.recordedAt ?? '')
}

/** Whoever has just joined the group is given a part of the work a moment later. */
const untilWorkersTakeWork = async (server: ClusterNode, count: number): Promise<void> => {
  const seen = new Set<unknown>()
  while (seen.size < count) {
    const ids = await Promise.all(Array.from({ length: many }, () => submitProbe(server.url(), {})))
    for (const { worker } of await Promise.all(ids.map((id) => untilEnded(server.url(), id)))) seen.add(worker)
  }
}

test.skipIf(!canOwnEventStoreDb || !canOwnKafka)(
  'what a killed worker ran goes on elsewhere within the longer of lease and group session, and two seconds',
  { timeout: 120_000 },
  async () => {
    const { server, workers } = await open(['worker-1', 'worker-2'])
    await untilWorkersTakeWork(server, workers.length)
    const ids = await Promise.all(Array.from({ length: many }, () => submitProbe(server.url(), { sleepMs: 4_000 })))
    const running = await Promise.all(ids.map((id) => untilState(server.url(), id, 'running')))
    const [killed] = workers
    const killedAt = systemClock.now()
    await killed?.kill('SIGKILL')
    // Doorbells for the dead one wait for the group to notice.
    const late = await Promise.all(Array.from({ length: many }, () => submitProbe(server.url(), {})))
    const ended = await Promise.all([...ids, ...late].map((id) => untilEnded(server.url(), id)))
    const moved = ended.filter(({ attempt }) => Number(attempt) > 1)
    const starts = await Promise.all(moved.map(({ id, attempt }) => startedAt(server, String(id), Number(attempt))))
    const worst = Math.max(...starts) - killedAt
    const lateStarts = await Promise.all(late.map((id) => startedAt(server, id, 1)))
    const worstLate = Math.max(...lateStarts) - killedAt
    console.log(`${moved.length} of ${many} operations moved, the last after ${worst} ms; new ones began within ${worstLate} ms`)
    expect(new Set(running.map(({ worker }) => worker)).size).toBe(2)
    expect(ended.every(({ state }) => state === 'succeeded')).toBe(true)
    expect(moved.length).toBeGreaterThan(0)
    expect(worst).toBeLessThan(Math.max(leaseMs, sessionTimeoutMs) + marginMs)
    expect(worstLate).toBeLessThan(Math.max(leaseMs, sessionTimeoutMs) + marginMs)
    expect(await probeWorkers(server.url())).toBe(1)
  },
)

test.skipIf(!canOwnEventStoreDb || !canOwnKafka)(
  'when the broker is back jobs flow within ten seconds, those that were asked for meanwhile too',
  { timeout: 120_000 },
  async () => {
    const { server, kafka } = await open(['worker'])
    await untilEnded(server.url(), await submitProbe(server.url(), {}))
    await kafka.kill('SIGKILL')
    const ids = await Promise.all(Array.from({ length: many }, () => submitProbe(server.url(), {})))
    await kafka.start()
    const backAt = systemClock.now()
    const ended = await Promise.all(ids.map((id) => untilEnded(server.url(), id)))
    const starts = await Promise.all(ids.map((id) => startedAt(server, id, 1)))
    const first = Math.min(...starts) - backAt
    const last = Math.max(...starts) - backAt
    console.log(`after the broker was back the first job began after ${first} ms, the last after ${last} ms`)
    expect(ended.every(({ state }) => state === 'succeeded')).toBe(true)
    expect(last).toBeLessThan(jobsFlowWithinMs)
  },
)
