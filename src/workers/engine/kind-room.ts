import type { Job } from '../../bus/job-bus.ts'
import { createJobQueue, type JobQueue } from '../../bus/jobs-by-priority.ts'
import type { Release } from './slots.ts'

/** Limits the attempts of one kind that run at a time. A job that finds no room is kept aside, so that it holds up no other kind. */
export interface KindRoom {
  /** Undefined where `limit` attempts of the kind run: `again` is called with the job when one of them has ended. */
  take(job: Job, limit: number | undefined, again: (job: Job) => Promise<void>): Release | undefined
}

/** Jobs of one kind that wait here; what finds no place is published again by the supervisor. */
const mostWaiting = 1_000

interface Taken {
  running: number
  readonly waiting: JobQueue
}

export const createKindRoom = (): KindRoom => {
  const byKind = new Map<string, Taken>()

  return {
    take: (job, limit, again) => {
      if (limit === undefined) return () => undefined
      const taken = byKind.get(job.kind) ?? { running: 0, waiting: createJobQueue({ cap: mostWaiting }) }
      byKind.set(job.kind, taken)
      if (taken.running >= limit) {
        taken.waiting.push(job)
        return undefined
      }
      taken.running++
      let isHeld = true
      return () => {
        if (!isHeld) return
        isHeld = false
        taken.running--
        // A job that takes no room, because its operation runs already, holds up none of those behind it.
        while (taken.running < limit) {
          const next = taken.waiting.pop()
          if (next === undefined) break
          again(next).catch(() => undefined)
        }
        if (taken.running === 0) byKind.delete(job.kind)
      }
    },
  }
}
