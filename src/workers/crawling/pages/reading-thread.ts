import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../../../lib/errors.ts'
import { createPageReader, type PageReading, type ReadingOrder } from './page-reading.ts'

export interface ReaderData {
  /** One number: the processor time of the thread, in milliseconds, when it began to read the page that it is reading. */
  readonly begunAt: SharedArrayBuffer
}

/** A page to be read. A body that `goesBack` is handed over for the time of the reading. */
export type ToReader = ReadingOrder & { readonly goesBack: boolean }

/** What the thread says: that it listens, then one answer for each order, in their order. */
export type FromReader =
  | { readonly ready: true }
  | { readonly reading: PageReading; readonly body: Uint8Array | null }
  | { readonly failed: string }

/** Reads what strangers wrote. It may be ended at any moment. */
if (parentPort !== null) {
  const port = parentPort
  const begunAt = new Float64Array((workerData as ReaderData).begunAt)
  const read = createPageReader()
  const answer = (order: ToReader): void => {
    const { user, system } = process.threadCpuUsage()
    begunAt[0] = (user + system) / 1000
    try {
      const reading = read(order)
      const body = order.goesBack ? order.body : null
      const moved = body === null ? [reading.texts.buffer] : [reading.texts.buffer, body.buffer]
      port.postMessage({ reading, body } satisfies FromReader, moved as ArrayBuffer[])
    } catch (error) {
      port.postMessage({ failed: messageOf(error) } satisfies FromReader)
    }
  }
  port.on('message', answer)
  port.postMessage({ ready: true } satisfies FromReader)
}
