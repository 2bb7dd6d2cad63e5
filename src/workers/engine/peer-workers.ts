import type { Clock } from '../../lib/clock.ts'
import type { Leases } from '../../stores/leases.ts'

/** Who else crawls, by the leases of the moment. */
export interface Peers {
  /**
   * Whether no other worker takes crawls, nor did a minute ago: one whose lease ran out may merely be slow, and goes on for as long
   * as it has not noticed.
   */
  isAlone(): boolean
  /**
   * Whether this worker is the one to begin something that any of them could: rendezvous hashing, so that a worker that
   * comes or goes moves its own share only. While leases are on their way, two may think so; the log decides then.
   */
  owns(name: string): boolean
  /** Tells, within a second or so, that a worker came or went, until `signal` aborts. */
  onChange(listener: () => void, signal: AbortSignal): void
}

const lookMs = 1_000
const companyMs = 60_000

export const createPeers = ({
  leases,
  clock,
  kind,
  me,
}: {
  readonly leases: Pick<Leases, 'live'>
  readonly clock: Clock
  /** The kind of work that makes a worker one of them. */
  readonly kind: string
  readonly me: () => string
}): Peers => {
  let lastCompany = Number.NEGATIVE_INFINITY

  /** A lease of one's own that is not held yet, or not any longer, takes nothing away. */
  const others = (): string[] => {
    const own = me()
    const now = clock.monotonic()
    const found = leases
      .live(now)
      .filter(({ worker, kinds }) => worker !== own && kinds.includes(kind))
      .map(({ worker }) => worker)
    if (found.length > 0) lastCompany = now
    return found
  }
  return {
    isAlone: () => others().length === 0 && clock.monotonic() - lastCompany > companyMs,
    owns: (name) => {
      const mine = weight(me(), name)
      return others().every((other) => {
        const theirs = weight(other, name)
        return theirs < mine || (theirs === mine && other < me())
      })
    },
    onChange: (listener, signal) => {
      let known: string | undefined
      let cancel = (): void => {}
      const look = (): void => {
        const found = JSON.stringify([me(), ...others().sort()])
        const isNew = known !== undefined && known !== found
        known = found
        cancel = clock.after(lookMs, look)
        if (isNew) listener()
      }
      signal.addEventListener('abort', () => cancel(), { once: true })
      if (!signal.aborted) look()
    },
  }
}

/** FNV-1a with a last mixing: spreads names evenly, and costs next to nothing. */
const weight = (worker: string, name: string): number => {
  let hash = 0x811c9dc5
  const text = `${worker}\n${name}`
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
