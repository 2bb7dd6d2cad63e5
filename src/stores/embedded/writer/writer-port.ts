import { Worker } from 'node:worker_threads'
import { messageOf, Unavailable } from '../../../lib/errors.ts'
import { encodeBatch } from './batch-text.ts'
import type { Batch, BatchResult } from './write-requests.ts'
import type { Writer } from './writer.ts'
import type { FromWriter, ToWriter, WriterThreadData } from './writer-thread.ts'

/** How the log speaks with its writer, wherever that lives. One batch at a time. */
export interface WriterPort {
  /** Throws `Unavailable` when the writer ended before it answered: whether the batch is on disk is unknown then. */
  write(batch: Batch): Promise<BatchResult>
  close(): Promise<void>
}

/** A writer in this thread, for a log in memory. */
export const inlineWriter = (writer: Writer): WriterPort => ({
  write: async (batch) => writer.write(batch),
  close: async () => writer.close(),
})

interface Thread {
  readonly last: number
  write(text: string): Promise<BatchResult>
  close(): Promise<void>
}

/**
 * A writer in a thread of its own. A thread that died is replaced with the next batch; `acknowledged` tells the new one what
 * the log must at least hold. Throws `Unavailable` when the log cannot be opened.
 */
export const openThreadedWriter = async (path: string): Promise<{ port: WriterPort; last: number }> => {
  let acknowledged = 0
  let thread: Thread | undefined
  const running = async (): Promise<Thread> => {
    thread ??= await startThread({ path, acknowledged }, () => {
      thread = undefined
    })
    return thread
  }
  const { last } = await running()
  acknowledged = last
  return {
    last,
    port: {
      write: async (batch) => {
        const written = await (thread ?? (await running())).write(encodeBatch(batch))
        acknowledged = written.last
        return written
      },
      close: async () => {
        await thread?.close().catch(() => undefined)
      },
    },
  }
}

const startThread = (workerData: WriterThreadData, ended: () => void): Promise<Thread> =>
  new Promise((started, refused) => {
    const worker = new Worker(new URL('./writer-thread.ts', import.meta.url), { workerData, name: 'log-writer' })
    let waiting: { resolve(message: FromWriter): void; reject(error: Error): void } | undefined
    let last = 0
    const ask = (message: ToWriter): Promise<FromWriter> =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject }
        // Only a batch on its way keeps the process alive; an idle log does not.
        worker.ref()
        worker.postMessage(message)
      })
    const write = async (text: string): Promise<BatchResult> => {
      const answer = await ask({ write: text })
      if (!('written' in answer)) throw new Unavailable('the log writer sent an unexpected answer')
      return answer.written
    }
    const close = async (): Promise<void> => {
      await ask({ close: true })
    }
    worker.on('message', (message: FromWriter) => {
      if ('opened' in message) {
        last = message.opened
        worker.unref()
        started({ last, write, close })
      } else if ('refused' in message) refused(new Unavailable(message.refused))
      else {
        const answered = waiting
        waiting = undefined
        worker.unref()
        answered?.resolve(message)
      }
    })
    let reason: string | undefined
    worker.on('error', (error) => {
      reason = messageOf(error)
    })
    // Only its exit counts as its end: until then it may hold the file, and two writers must never meet.
    worker.on('exit', (code) => {
      ended()
      const error = new Unavailable(`the log writer ended: ${reason ?? `exit code ${code}`}`)
      refused(error)
      waiting?.reject(error)
      waiting = undefined
    })
  })
