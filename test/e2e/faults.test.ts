import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { canOwnEventStoreDb, canOwnKafka, type OwnEngine, ownEventStoreDb, ownKafka } from '../engines/own.ts'
import { audit } from './audit.ts'
import { type ClusterNode, openCluster } from './cluster.ts'
import { allEvents, getJson, type Json } from './harness.ts'
import { openLoad } from './retrying-client.ts'

const fewestOperations = 2_000
const leaseMs = 3_000
const allEndedWithinMs = 60_000
const pollMs = 50
const startTries = 5
const restartPauseMs = 500

const refuses = async (port: number): Promise<boolean> => {
  const socket = connect(port, '127.0.0.1')
  const outcome = await Promise.race([once(socket, 'connect').then(() => false), once(socket, 'error').then(() => true)]).catch(
    () => true,
  )
  socket.destroy()
  return outcome
}

const until = async (what: string, holds: () => Promise<boolean>, withinMs = 30_000): Promise<number> => {
  const begun = systemClock.monotonic()
  while (!(await holds().catch(() => false))) {
    if (systemClock.monotonic() - begun > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`)
    await systemClock.sleep(pollMs)
  }
  return systemClock.monotonic() - begun
}

/** As a service manager does: an engine may go away in the middle of a start, and what cannot start says so and ends. */
const startAgain = async (node: ClusterNode): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await node.start()
    } catch (error) {
      if (attempt >= startTries) throw error
      await systemClock.sleep(restartPauseMs)
    }
  }
}

/** Faults that were really caused: each is counted when its effect was seen, not when it was asked for. */
const faultCounter = () => {
  const caused: string[] = []
  let lastAt = 0
  const count = (fault: string): void => {
    caused.push(fault)
    lastAt = systemClock.monotonic()
  }
  return {
    caused: (): readonly string[] => caused,
    lastAt: () => lastAt,
    /** Killed, and started again at once; the start is not waited for. */
    killNode: async (node: ClusterNode): Promise<{ readonly restarted: Promise<void> }> => {
      const ended = await node.kill('SIGKILL')
      if (ended?.signal === 'SIGKILL') count(`${node.name} killed`)
      const restarted = startAgain(node)
      restarted.catch(() => undefined)
      return { restarted }
    },
    /** Killed, seen to be gone, and started again after `downMs`. */
    killEngine: async (name: string, engine: OwnEngine, downMs: number): Promise<void> => {
      await engine.kill('SIGKILL')
      if (await refuses(engine.port)) count(`${name} killed`)
      await systemClock.sleep(downMs)
      await engine.start()
      lastAt = Math.max(lastAt, systemClock.monotonic())
    },
    /** Stopped for longer than its lease, let go on, and waited for until it says that it has found that out. */
    freezeWorker: async (worker: ClusterNode): Promise<void> => {
      const told = (): number => worker.output().split('the lease expired').length
      const before = told()
      await worker.kill('SIGSTOP')
      // A frozen process loses its lease by the clock: time has to go by.
      await systemClock.sleep(1.5 * leaseMs)
      await worker.kill('SIGCONT')
      await until('the frozen worker finds its lease run out', async () => told() > before)
      count(`${worker.name} frozen past its lease`)
    },
  }
}

test.skipIf(!canOwnEventStoreDb || !canOwnKafka)(
  'nothing that was acknowledged is lost, and everything ends once, whatever is killed meanwhile',
  { timeout: 400_000 },
  async () => {
    const [eventStoreDb, kafka] = await Promise.all([ownEventStoreDb(), ownKafka()])
    onTestFinished(async () => {
      await Promise.all([eventStoreDb.stop(), kafka.stop()])
    })
    const cluster = openCluster({
      eventStoreDbUrl: eventStoreDb.url,
      kafkaBrokers: kafka.brokers,
      env: { LEASE_MS: String(leaseMs), WORKER_CONCURRENCY: '100' },
    })
    const servers = [cluster.server('server-1'), cluster.server('server-2')] as const
    const workers = [cluster.worker('worker-1'), cluster.worker('worker-2')] as const
    const [server1, server2] = servers
    const [worker1, worker2] = workers
    await Promise.all([...servers, ...workers].map((node) => node.start()))

    const request = (index: number): Json => ({
      kind: 'probe',
      input: { sleepMs: index % 10 === 5 ? 2_000 : 100, echo: index, output: index % 5 === 0 ? 'line\n' : '' },
      ...(index % 20 === 0 ? { lane: `lane-${index % 100}` } : {}),
      // Kills must never use up the attempts.
      policy: { attempts: 100 },
    })
    const faults = faultCounter()
    const load = openLoad(servers, fewestOperations, request)
    const at = async (second: number): Promise<void> => {
      await until(`operation ${second * 100} is sent`, async () => load.sent() >= second * 100)
    }
    await at(3)
    const restarted = [await faults.killNode(server1)]
    await at(5)
    restarted.push(await faults.killNode(worker1))
    const frozen = faults.freezeWorker(worker2)
    await at(9)
    const database = faults.killEngine('EventStoreDB', eventStoreDb, 1_000)
    await at(12)
    restarted.push(await faults.killNode(server2))
    await at(14)
    const broker = faults.killEngine('the broker', kafka, 1_000)
    await frozen
    await at(16)
    restarted.push(await faults.killNode(worker2))
    const sentAtLastFault = load.sent()
    await Promise.all([broker, database, ...restarted.map((node) => node.restarted)])
    // The last fault, too, strikes while operations are being asked for.
    await until('operations are asked for after the last fault', async () => load.sent() > sentAtLastFault + 100)
    await load.end()
    const operations = load.sent()
    const acknowledgedAfterMs = systemClock.monotonic() - faults.lastAt()

    const unended = async (server: ClusterNode): Promise<number> => {
      const states = ['pending', 'running', 'retrying', 'cancelling'].map((state) => `state=${state}`).join('&')
      return ((await getJson(`${server.url()}/v1/operations?${states}&limit=1`)).items as readonly unknown[]).length
    }
    for (const server of servers)
      await until(`${server.name} shows every operation ended`, async () => (await unended(server)) === 0, allEndedWithinMs)
    const endedAfterMs = systemClock.monotonic() - faults.lastAt()

    const [seen, other] = await Promise.all(servers.map((server) => allEvents(server.url())))
    const found = audit(seen ?? [], load.acknowledged.values())
    console.log(
      `faults: ${faults.caused().join(', ')}; clients tried again after ${JSON.stringify(load.retries())}; ${found.lost} attempts lost; ` +
        `all acknowledged ${acknowledgedAfterMs} ms and all ended ${endedAfterMs} ms after the last fault`,
    )
    expect(faults.caused()).toHaveLength(7)
    expect(operations).toBeGreaterThanOrEqual(fewestOperations)
    expect(load.acknowledged.size).toBe(operations)
    expect(new Set(load.acknowledged.values()).size).toBe(operations)
    expect(found.findings).toEqual([])
    expect(found.requested).toBe(operations)
    expect(found.lost).toBeGreaterThan(0)
    expect(endedAfterMs).toBeLessThan(allEndedWithinMs)
    // Both servers tell the same history.
    expect(other?.map(({ id }) => id)).toEqual(seen?.map(({ id }) => id))
  },
)
