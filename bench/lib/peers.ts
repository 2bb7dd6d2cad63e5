import { bullmqMissing, startBullmq } from '../peers/bullmq.ts'
import { restateMissing, startRestate } from '../peers/restate.ts'
import type { Bench } from './bench.ts'
import type { Contender } from './contender.ts'

const known = {
  bullmq: { missing: bullmqMissing, start: startBullmq },
  restate: { missing: restateMissing, start: startRestate },
} as const

/** Starts a peer; undefined, after one line that says why, where it cannot run here. */
export const startPeer = async (name: keyof typeof known, bench: Bench): Promise<Contender | undefined> => {
  const { missing, start } = known[name]
  const reason = missing()
  if (reason === undefined) return start({ directory: bench.scratch(name) })
  bench.say(`${name} is skipped: ${reason}`)
  return undefined
}
