import { bullmqMissing, startBullmq } from '../peers/bullmq.ts'
import { restateMissing, startRestate } from '../peers/restate.ts'
import type { Bench } from './bench.ts'
import type { Contender } from './contender.ts'

const known = {
  bullmq: { missing: bullmqMissing, start: startBullmq },
  restate: { missing: restateMissing, start: startRestate },
} as const

type PeerName = keyof typeof known

/** Whether a peer cannot run here; says why. */
export const peerMissing = (name: PeerName, bench: Bench): boolean => {
  const reason = known[name].missing()
  if (reason !== undefined) bench.say(`${name} is skipped: ${reason}`)
  return reason !== undefined
}

/** Starts a peer; undefined, after one line that says why, where it cannot run here. */
export const startPeer = async (name: PeerName, bench: Bench): Promise<Contender | undefined> =>
  peerMissing(name, bench) ? undefined : known[name].start({ directory: bench.scratch(name) })
