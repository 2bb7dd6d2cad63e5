import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Bench, Scenario } from '../lib/bench.ts'
import { acknowledgedStatus, type Contender } from '../lib/contender.ts'
import { bytesBelow, sizeOf } from '../lib/disk.ts'
import { figure } from '../lib/figure.ts'
import { peerMissing, startPeer } from '../lib/peers.ts'
import { median } from '../lib/percentiles.ts'
import { memoryOf } from '../lib/processes.ts'
import { interleaved, present } from '../lib/rounds.ts'
import { longHistory, seededDirectory } from '../lib/seeded.ts'
import { startIntendant } from '../peers/intendant.ts'

const restMs = 3_000
const lookEveryMs = 50
const inFlight = 64
/** MiB; of a million events, or of the fewer that stand for them where it has to be quick. */
const mostPerHistory = 30

/** What it takes of memory and disk. */
export const memory: Scenario = {
  id: 'B9',
  title: 'memory and disk',
  async *run(bench) {
    const { dataDir, events, jsonBytes } = await seededDirectory(bench, longHistory(bench))
    await restarted(dataDir) // builds the views
    const starts = await interleaved(bench.rounds, {
      empty: () => restarted(bench.scratch('empty')),
      full: () => restarted(dataDir),
    })
    const rounds = await interleaved<string, Use>(
      bench.rounds,
      present({
        intendant: async () => {
          await using server = await startIntendant({ dataDir: bench.scratch('intendant') })
          return await use(bench, server)
        },
        bullmq: peerMissing('bullmq', bench)
          ? undefined
          : async () => {
              await using bullmq = await startPeer('bullmq', bench)
              return await use(bench, bullmq as Contender)
            },
      }),
    )
    const of = (name: string, part: keyof Use): number | undefined =>
      rounds[name] && median(rounds[name].map((sample) => sample[part]))
    const measured = (metric: string, value: number | undefined) => ({
      scenario: 'B9',
      metric,
      value: value ?? Number.NaN,
      unit: 'MiB',
    })
    yield figure(measured('memory, idle', of('intendant', 'idle')), {
      floor: of('bullmq', 'idle'),
      floorName: 'BullMQ with redis',
      ratio: { atMost: 1.2 },
    })
    yield figure(measured('memory, peak of B2', of('intendant', 'peak')), {
      floor: of('bullmq', 'peak'),
      floorName: 'BullMQ with redis',
      ratio: { atMost: 0.8 },
    })
    yield figure(measured(`memory of ${events.toLocaleString('en-US')} events`, median(starts.full) - median(starts.empty)), {
      floor: undefined,
      floorName: '',
      value: { atMost: mostPerHistory },
    })
    const json = { floor: jsonBytes / 2 ** 20, floorName: 'JSON of the events', ratio: { atMost: 1.3 } }
    yield figure(measured('disk, the log', sizeOf(join(dataDir, 'log.db')) / 2 ** 20), json)
    yield figure(measured('disk, log and views', bytesBelow(dataDir) / 2 ** 20), json)
  },
}

interface Use {
  readonly idle: number
  readonly peak: number
}

/** MiB at rest, and at most while operations are carried out. */
const use = async (bench: Bench, of: Contender): Promise<Use> => {
  await pause(restMs)
  const idle = memoryOf(of.pids)
  let peak = idle
  let busy = true
  const watching = (async () => {
    for (; busy; await pause(lookEveryMs)) peak = Math.max(peak, memoryOf(of.pids))
  })()
  const count = bench.size(20_000, 4_000)
  await bench.load.run({ url: of.url, requests: [of.submit], status: acknowledgedStatus, connections: inFlight, count })
  await of.settled?.()
  busy = false
  await watching
  return { idle, peak }
}

/** MiB at rest after a start. */
const restarted = async (dataDir: string): Promise<number> => {
  await using server = await startIntendant({ dataDir })
  await pause(restMs)
  return memoryOf(server.pids)
}
