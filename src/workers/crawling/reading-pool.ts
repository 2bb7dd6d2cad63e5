import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { PageReading, ReadingOrder } from './page-reading.ts'
import type { FromReader } from './reading-thread.ts'

/** Thrown when a page could not be read. `retryable` says whether the page need not be at fault. */
export class ReadingFailed extends Error {
  override readonly name = 'ReadingFailed'
  readonly retryable: boolean
  constructor(message: string, { retryable = false }: { readonly retryable?: boolean } = {}) {
    super(message)
    this.retryable = retryable
  }
}

/** Reads pages in threads of their own, which are ended where a page takes too much time or memory. */
export interface ReadingPool {
  /** Starts a thread where there is none: it takes as long as fetching a page. */
  prepare(): void
  /** Rejects with `ReadingFailed`, and with the signal's reason where it aborts first. */
  read(order: ReadingOrder, signal: AbortSignal): Promise<PageReading>
}

interface Job {
  readonly order: ReadingOrder
  readonly waitsSince: number
  readonly resolve: (reading: PageReading) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  /** Handed over, in their order: the first is being read. */
  readonly jobs: Job[]
  isReady: boolean
  cancelTimer: () => void
}

/** Old enough for the objects of any honest page of 32 MiB. Bodies and answers count elsewhere. */
const resourceLimits = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 64 }
/** The next page lies ready when one has been read. */
const jobsPerThread = 2
/** Pages that have waited for so long get another thread, where there may be one more. */
const growAfterMs = 100
/** A thread that read nothing for so long is ended. */
const idleMs = 60_000
/** An answer may have come while this thread was busy: time for it to be heard. */
const graceMs = 20

export const createReadingPool = ({
  timeLimitMs,
  clock,
  signal,
  most = Math.max(2, availableParallelism()),
}: {
  /** How long reading one page may take. */
  readonly timeLimitMs: number
  readonly clock: Clock
  /** Ends the threads as soon as they have nothing to read. */
  readonly signal: AbortSignal
  /** Threads at the same time. The first one starts with the first page. */
  readonly most?: number
}): ReadingPool => {
  const threads = new Set<Thread>()
  const waiting: Job[] = []
  let cancelGrowth: (() => void) | undefined

  const start = (): void => {
    const worker = new Worker(new URL('./reading-thread.ts', import.meta.url), { name: 'page-reader', resourceLimits })
    worker.unref()
    const thread: Thread = { worker, jobs: [], isReady: false, cancelTimer: () => {} }
    threads.add(thread)
    worker.on('message', (message: FromReader) => hear(thread, message))
    worker.on('error', (error) => lose(thread, reasonOf(error)))
    worker.on('exit', () => lose(thread, new ReadingFailed('the thread that read the page ended', { retryable: true })))
  }

  /** The thread is gone or has to go: `why` is about the page that it was reading, the others are not at fault. */
  const lose = (thread: Thread, why: ReadingFailed): void => {
    if (!threads.delete(thread)) return
    thread.cancelTimer()
    thread.jobs.shift()?.reject(why)
    waiting.unshift(...thread.jobs.splice(0))
    void thread.worker.terminate()
    handOut()
  }

  const hear = (thread: Thread, message: FromReader): void => {
    if (!threads.has(thread)) return
    if ('ready' in message) thread.isReady = true
    else {
      const job = thread.jobs.shift()
      if ('failed' in message) job?.reject(new ReadingFailed(`the page cannot be read: ${message.failed}`))
      else job?.resolve(message.reading)
    }
    watch(thread)
    handOut()
  }

  /** Time counts from when the page's turn has come in a thread that listens. */
  const watch = (thread: Thread): void => {
    thread.cancelTimer()
    const job = thread.jobs[0]
    if (job === undefined) thread.cancelTimer = clock.after(signal.aborted ? 0 : idleMs, () => retire(thread))
    else if (thread.isReady) thread.cancelTimer = clock.after(timeLimitMs, () => doubt(thread, job))
  }

  const retire = (thread: Thread): void => {
    if (thread.jobs.length > 0 || !threads.delete(thread)) return
    void thread.worker.terminate()
  }

  const doubt = (thread: Thread, job: Job): void => {
    const why = new ReadingFailed(`reading the page took longer than ${timeLimitMs} ms (CRAWLING_READ_TIMEOUT_MS)`)
    thread.cancelTimer = clock.after(graceMs, () => {
      if (thread.jobs[0] === job) lose(thread, why)
    })
  }

  const handOver = (thread: Thread, job: Job): void => {
    // A copy of its own: the body is kept, and may lie in memory that is shared with others.
    const body = new Uint8Array(job.order.body)
    thread.jobs.push(job)
    thread.worker.postMessage({ ...job.order, body } satisfies ReadingOrder, [body.buffer])
    if (thread.jobs.length === 1) watch(thread)
  }

  const handOut = (): void => {
    while (waiting.length > 0) {
      if (threads.size === 0) start()
      const [first] = [...threads].sort((one, other) => one.jobs.length - other.jobs.length)
      if (first === undefined || first.jobs.length >= jobsPerThread) break
      handOver(first, waiting.shift() as Job)
    }
    grow()
  }

  const grow = (): void => {
    if (waiting.length === 0 || threads.size >= most || cancelGrowth !== undefined) return
    const dueMs = (waiting[0]?.waitsSince ?? 0) + growAfterMs - clock.now()
    cancelGrowth = clock.after(Math.max(dueMs, 0), () => {
      cancelGrowth = undefined
      const [job] = waiting
      if (job === undefined) return
      if (job.waitsSince + growAfterMs <= clock.now()) start()
      handOut()
    })
  }

  signal.addEventListener('abort', () => {
    for (const thread of threads) retire(thread)
  })

  return {
    prepare: () => {
      if (threads.size === 0) start()
    },
    read: (order, whose) =>
      new Promise((resolve, reject) => {
        if (whose.aborted) return reject(whose.reason)
        const onAbort = (): void => {
          const index = waiting.indexOf(job)
          if (index >= 0) waiting.splice(index, 1)
          reject(whose.reason)
        }
        const end = (): void => whose.removeEventListener('abort', onAbort)
        const job: Job = {
          order,
          waitsSince: clock.now(),
          resolve: (reading) => {
            end()
            resolve(reading)
          },
          reject: (error) => {
            end()
            reject(error)
          },
        }
        whose.addEventListener('abort', onAbort, { once: true })
        waiting.push(job)
        handOut()
      }),
  }
}

const reasonOf = (error: unknown): ReadingFailed =>
  (error as { code?: unknown } | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY'
    ? new ReadingFailed('reading the page took more memory than it may')
    : new ReadingFailed(`the thread that read the page failed: ${messageOf(error)}`, { retryable: true })
