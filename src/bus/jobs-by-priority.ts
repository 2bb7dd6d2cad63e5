import TinyQueue from 'tinyqueue'
import type { Job } from './job-bus.ts'

interface Queued {
  readonly job: Job
  readonly sequence: number
}

/** Doorbells that wait for a worker: the lowest priority first, then the earliest; an operation waits once. */
export interface JobQueue {
  readonly size: number
  /** False if the operation is queued already or the queue is full; the supervisor publishes a dropped job again. */
  push(job: Job): boolean
  pop(): Job | undefined
  /** What `pop` would give. */
  peek(): Queued | undefined
}

export const createJobQueue = ({ cap }: { readonly cap: number }): JobQueue => {
  const heap = new TinyQueue<Queued>([], before)
  const waiting = new Set<string>()
  let sequence = 0
  return {
    get size() {
      return heap.length
    },
    push: (job) => {
      if (heap.length >= cap || waiting.has(job.operationId)) return false
      waiting.add(job.operationId)
      heap.push({ job, sequence: sequence++ })
      return true
    },
    pop: () => {
      const job = heap.pop()?.job
      if (job !== undefined) waiting.delete(job.operationId)
      return job
    },
    peek: () => heap.peek(),
  }
}

const before = (one: Queued, other: Queued): number => one.job.priority - other.job.priority || one.sequence - other.sequence
