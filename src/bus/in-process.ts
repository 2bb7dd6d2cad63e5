import { type ConsumeOptions, type Job, type JobBus, queueOf } from './job-bus.ts'
import { createJobQueue, type JobQueue } from './jobs-by-priority.ts'

/** Doorbells kept per kind; about 2 MB. */
const defaultCap = 10_000

interface Consumer {
  readonly options: ConsumeOptions
  readonly handle: (job: Job) => Promise<void>
  /** Jobs that are being handled, and those of them that count towards the concurrency. */
  busy: number
  counted: number
  /** Told each time a handler returned. */
  idle: () => void
}

/**
 * The bus of a single process: a queue per kind, lowest priority first, then the earliest. A waiting consumer is called
 * within `publish` itself. The queue is lost at the end of the process; the supervisor publishes jobs again from the log.
 */
export const createInProcessBus = ({ cap = defaultCap }: { readonly cap?: number } = {}): JobBus => {
  const queues = new Map<string, JobQueue>()
  const consumers: Consumer[] = []

  const queueFor = (kind: string): JobQueue => {
    const name = queueOf(kind)
    const queue = queues.get(name) ?? createJobQueue({ cap })
    queues.set(name, queue)
    return queue
  }

  /** The first job, over all of its kinds, that a consumer would take. */
  const next = (kinds: readonly string[]): Job | undefined => {
    let best: JobQueue | undefined
    for (const kind of kinds) {
      const queue = queues.get(kind)
      const head = queue?.peek()
      const leader = best?.peek()
      if (head !== undefined && (leader === undefined || head.job.priority < leader.job.priority)) best = queue
    }
    return best?.pop()
  }

  const feed = (consumer: Consumer): void => {
    const { kinds, beside = [], concurrency, signal } = consumer.options
    while (!signal.aborted) {
      const job = next(consumer.counted < concurrency ? kinds : beside)
      if (job === undefined) return
      const counts = beside.includes(queueOf(job.kind)) ? 0 : 1
      consumer.busy++
      consumer.counted += counts
      // A handler that throws loses the job; the supervisor publishes it again.
      void Promise.resolve()
        .then(() => consumer.handle(job))
        .catch(() => undefined)
        .then(() => {
          consumer.busy--
          consumer.counted -= counts
          consumer.idle()
          feed(consumer)
        })
    }
  }

  return {
    publish: async (jobs) => {
      for (const job of jobs) queueFor(job.kind).push(job)
      // A consumer that got a job goes to the end of the line, so that consumers take turns.
      for (const consumer of [...consumers]) feed(consumer)
      const first = consumers.shift()
      if (first !== undefined) consumers.push(first)
    },
    consume: (options, handle) =>
      new Promise((resolve) => {
        const consumer: Consumer = { options, handle, busy: 0, counted: 0, idle: () => undefined }
        const end = () => {
          const at = consumers.indexOf(consumer)
          if (at >= 0) consumers.splice(at, 1)
          consumer.idle = () => {
            if (consumer.busy === 0) resolve()
          }
          consumer.idle()
        }
        if (options.signal.aborted) return resolve()
        options.signal.addEventListener('abort', end, { once: true })
        consumers.push(consumer)
        feed(consumer)
      }),
    close: async () => {
      queues.clear()
      consumers.length = 0
    },
  }
}
