import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { startAndKill, startServer, temporaryDirectory } from './harness.ts'
import { auditLog, follow, load, newLedger, seeded, untilAllEnded } from './ledger.ts'
import { dumpViews, rebuildViews } from './view-dump.ts'

const kills = 34
const clients = 6
const longestLifeMs = 500
const longestStartMs = 700

test(`${kills} times killed under load: nothing acknowledged is missing, every operation ends once, views equal the log`, async () => {
  const dataDir = temporaryDirectory()
  const ledger = newLedger()
  const seed = randomInt(2 ** 31)
  const random = seeded(seed)
  for (let kill = 0; kill < kills; kill++) {
    if (kill % 8 === 7) {
      await startAndKill(dataDir, random() * longestStartMs)
      continue
    }
    const server = await startServer({ dataDir })
    const clientsEnded = Promise.all([load(server, { ledger, random, clients }), follow(server, ledger)])
    await systemClock.sleep(random() * longestLifeMs)
    server.kill('SIGKILL')
    expect(await server.ended, server.output()).toEqual({ code: null, signal: 'SIGKILL' })
    await clientsEnded
  }

  const server = await startServer({ dataDir })
  const operations = await untilAllEnded(server)
  expect(await auditLog(server, ledger), `seed ${seed}`).toEqual([])
  expect(operations).toBeGreaterThanOrEqual(ledger.operations.size)
  expect(ledger.operations.size).toBeGreaterThan(kills)
  expect(ledger.events.size).toBeGreaterThan(ledger.operations.size)

  server.kill('SIGTERM')
  expect(await server.ended).toEqual({ code: 0, signal: null })
  const again = temporaryDirectory()
  await rebuildViews(join(dataDir, 'log.db'), again)
  const live = dumpViews(join(dataDir, 'views'))
  expect(live['operations.operations']).toHaveLength(operations)
  expect(dumpViews(again)).toEqual(live)
}, 300_000)
