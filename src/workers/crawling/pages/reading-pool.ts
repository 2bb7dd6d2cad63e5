import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf } from '../../../lib/errors.ts'
import type { PageReading, ReadingOrder } from './page-reading.ts'
import type { FromReader, ReaderData, ToReader } from './reading-thread.ts'

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
  /**
   * Rejects with `ReadingFailed`, and with the signal's reason where it aborts first. The order's body must not be used any more: a
   * large one is handed to the thread and back, because a copy would hold up the main thread.
   */
  read(order: ReadingOrder, signal: AbortSignal): Promise<ReadPage>
}

export interface ReadPage {
  readonly reading: PageReading
  /** The body of the order. */
  readonly body: Uint8Array
}

interface Job {
  readonly order: ReadingOrder
  readonly waitsSince: number
  readonly resolve: (read: ReadPage) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  /** Handed over, in their order: the first is being read. */
  readonly jobs: Job[]
  readonly begunAt: Float64Array
  isReady: boolean
  cancelTimer: () => void
}

/** Old enough for the objects of any honest page of 32 MiB. Bodies and answers count elsewhere. */
const resourceLimits = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 64 }
/** The next page lies ready when one has been read. */
const jobsPerThread = 2
/** After this wait of a page another thread is started, up to the limit. */
const growAfterMs = 100
/** A thread that is idle for this long is ended. */
const idleMs = 60_000
/** A thread that does not report its processor time for this long is ended. */
const silentMs = 1_000
/** On a busy machine a page may wait for the processor: its limit of real time is this many times its processor time. */
const mostPatience = 3
/** Larger bodies are handed over instead of copied, one at a time. */
const largestCopy = 262_144

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
    const begunAt = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT)
    const workerData: ReaderData = { begunAt }
    const options = { name: 'page-reader', workerData, resourceLimits }
    const worker = new Worker(new URL('./reading-thread.ts', import.meta.url), options)
    worker.unref()
    const thread: Thread = { worker, jobs: [], begunAt: new Float64Array(begunAt), isReady: false, cancelTimer: () => {} }
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
      else job?.resolve({ reading: message.reading, body: message.body ?? job.order.body })
    }
    watch(thread)
    handOut()
  }

  /** Time counts from when the page's turn has come in a thread that listens. */
  const watch = (thread: Thread): void => {
    thread.cancelTimer()
    const job = thread.jobs[0]
    if (job === undefined) thread.cancelTimer = clock.after(signal.aborted ? 0 : idleMs, () => retire(thread))
    else if (thread.isReady) thread.cancelTimer = clock.after(timeLimitMs, () => doubt(thread, job, timeLimitMs))
  }

  const retire = (thread: Thread): void => {
    if (thread.jobs.length > 0 || !threads.delete(thread)) return
    void thread.worker.terminate()
  }

  /** The limit is one of processor time: a page of an honest site must not fail because the machine is busy. */
  const doubt = (thread: Thread, job: Job, waitedMs: number): void => {
    const judge = (usedMs: number): void => {
      if (thread.jobs[0] !== job || !threads.has(thread)) return
      thread.cancelTimer()
      const leftMs = Math.ceil(timeLimitMs - usedMs)
      if (leftMs <= 0 || waitedMs + leftMs > mostPatience * timeLimitMs)
        lose(thread, new ReadingFailed(`reading the page took longer than ${timeLimitMs} ms (CRAWLING_READ_TIMEOUT_MS)`))
      else thread.cancelTimer = clock.after(leftMs, () => doubt(thread, job, waitedMs + leftMs))
    }
    thread.cancelTimer = clock.after(silentMs, () => judge(Number.POSITIVE_INFINITY))
    thread.worker.cpuUsage().then(
      ({ user, system }) => judge((user + system) / 1000 - (thread.begunAt[0] ?? 0)),
      // It has ended meanwhile, and says so itself.
      () => undefined,
    )
  }

  /** A body that fills its memory is transferred; a small one, or one that shares its memory, is copied. */
  const handOver = (thread: Thread, job: Job): void => {
    const { body } = job.order
    const goesBack = isLarge(job)
    const given = goesBack ? (body as Uint8Array<ArrayBuffer>) : new Uint8Array(body)
    thread.jobs.push(job)
    thread.worker.postMessage({ ...job.order, body: given, goesBack } satisfies ToReader, [given.buffer])
    if (thread.jobs.length === 1) watch(thread)
  }

  const handOut = (): void => {
    for (let job = waiting[0]; job !== undefined; job = waiting[0]) {
      if (threads.size === 0) start()
      const [first] = [...threads].sort((one, other) => one.jobs.length - other.jobs.length)
      // Who is second loses nothing but time where the thread has to be ended.
      if (first === undefined || first.jobs.length >= (isLarge(job) ? 1 : jobsPerThread)) break
      waiting.shift()
      handOver(first, job)
    }
    grow()
  }

  const grow = (): void => {
    if (waiting.length === 0 || threads.size >= most || cancelGrowth !== undefined) return
    const dueMs = (waiting[0]?.waitsSince ?? 0) + growAfterMs - clock.monotonic()
    cancelGrowth = clock.after(Math.max(dueMs, 0), () => {
      cancelGrowth = undefined
      const [job] = waiting
      if (job === undefined) return
      if (job.waitsSince + growAfterMs <= clock.monotonic()) start()
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
          waitsSince: clock.monotonic(),
          resolve: (read) => {
            end()
            resolve(read)
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

const isLarge = ({ order: { body } }: Job): boolean =>
  body.byteLength > largestCopy && body.byteLength === body.buffer.byteLength && body.buffer instanceof ArrayBuffer

const reasonOf = (error: unknown): ReadingFailed =>
  (error as { code?: unknown } | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY'
    ? new ReadingFailed('reading the page took more memory than it may')
    : new ReadingFailed(`the thread that read the page failed: ${messageOf(error)}`, { retryable: true })
