import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { canOwnEventStoreDb, ownEventStoreDb } from '../engines/own.ts'
import { kafkaBrokers } from '../engines/running.ts'
import { audit } from './audit.ts'
import { type ClusterNode, openCluster } from './cluster.ts'
import { allEvents, getJson, type Json, postJson, temporaryDirectory } from './harness.ts'

/** How long workers come and go. */
const changingMs = Number(process.env.TEST_REBALANCE_SECONDS ?? 30) * 1_000
const changeEveryMs = 2_000
const requestsPerSecond = 20
/** Workers at a time, but for the moments in which one comes and another one goes. */
const crew = 2
const mostComing = 2
const fewestLeft = 5

test.skipIf(!canOwnEventStoreDb || kafkaBrokers === undefined)(
  'workers that come and go never run two attempts of an operation at once, and leave nothing undone',
  { timeout: changingMs + 240_000 },
  async () => {
    const eventStoreDb = await ownEventStoreDb()
    onTestFinished(() => eventStoreDb.stop())
    const marks = temporaryDirectory()
    const cluster = openCluster({
      eventStoreDbUrl: eventStoreDb.url,
      kafkaBrokers: kafkaBrokers as string,
      program: 'test/e2e/marking-child.ts',
      env: { MARKS_DIR: marks, SHUTDOWN_GRACE_MS: '1000' },
    })
    const server = cluster.server('server')
    await server.start()
    const submit = async (): Promise<string> => {
      const response = await postJson(`${server.url()}/v1/operations`, { kind: 'marking', input: { sleepMs: 1_500 } })
      expect(response.status).toBe(202)
      return ((await response.json()) as { id: string }).id
    }

    const present: ClusterNode[] = []
    const leaving: Promise<unknown>[] = []
    let joined = 0
    const joinOne = async (): Promise<void> => {
      const worker = cluster.worker(`worker-${++joined}`)
      await worker.start()
      present.push(worker)
    }
    await joinOne()
    const ids: Promise<string>[] = []
    const begun = systemClock.now()
    const elapsed = (): number => systemClock.now() - begun
    let isChanging = true
    const asking = (async (): Promise<void> => {
      while (isChanging) {
        while (ids.length < (elapsed() / 1000) * requestsPerSecond) ids.push(submit())
        await systemClock.sleep(20)
      }
    })()
    const coming = new Set<Promise<void>>()
    // On a slow machine it takes longer until enough of them have come and gone.
    for (let change = 1; elapsed() < changingMs || leaving.length < fewestLeft; change++) {
      if (coming.size < mostComing) {
        const joining: Promise<void> = joinOne().finally(() => coming.delete(joining))
        coming.add(joining)
      }
      if (present.length > crew) leaving.push((present.shift() as ClusterNode).kill('SIGTERM'))
      await systemClock.sleep(Math.max(0, change * changeEveryMs - elapsed()))
    }
    isChanging = false
    await Promise.all([asking, ...coming])
    const changedMs = elapsed()
    const acknowledged = await Promise.all(ids)
    const ends = await Promise.all(leaving)

    const last = systemClock.now()
    await untilNothingOpen(server.url())
    const doneAfterMs = systemClock.now() - last

    // Nobody of those who stayed is deaf: each of them takes some of what is asked for now.
    const before = (await allEvents(server.url())).length
    const hearing = async (): Promise<number> => audit((await allEvents(server.url())).slice(before), []).starts.size
    const asked = systemClock.now()
    while ((await hearing()) < present.length) {
      if (systemClock.now() - asked > 20_000) throw new Error(`${await hearing()} of ${present.length} workers take work`)
      acknowledged.push(...(await Promise.all(Array.from({ length: 4 }, submit))))
    }
    const allHeardAfterMs = systemClock.now() - asked
    await untilNothingOpen(server.url())

    const found = audit(await allEvents(server.url()), acknowledged)
    const violations = existsSync(join(marks, 'violations')) ? readFileSync(join(marks, 'violations'), 'utf8') : ''
    console.log(
      `${joined} workers came and ${ends.length} went in ${changedMs} ms; ${found.requested} operations, ${found.starts.size} workers ` +
        `had some, ${found.lost} attempts lost; all done ${doneAfterMs} ms after the last change, and all who stayed had heard ${allHeardAfterMs} ms later`,
    )
    expect(ends).toEqual(ends.map(() => ({ code: 0, signal: null })))
    expect(violations).toBe('')
    expect(found.findings).toEqual([])
    expect(found.requested).toBe(acknowledged.length)
  },
)

const untilNothingOpen = async (url: string): Promise<void> => {
  const begun = systemClock.now()
  for (;;) {
    const { items } = await getJson(`${url}/v1/operations?state=pending&state=running&state=retrying&limit=1`)
    if ((items as readonly Json[]).length === 0) return
    if (systemClock.now() - begun > 60_000) throw new Error(`not done: ${JSON.stringify(items)}`)
    await systemClock.sleep(100)
  }
}
