import { parentPort } from 'node:worker_threads'
import { messageOf } from '../../lib/errors.ts'
import { createPageReader, type PageReading, type ReadingOrder } from './page-reading.ts'

/** What the thread says: that it listens, then one answer for each order, in their order. */
export type FromReader = { readonly ready: true } | { readonly reading: PageReading } | { readonly failed: string }

/** Reads what strangers wrote. It may be ended at any moment. */
if (parentPort !== null) {
  const port = parentPort
  const read = createPageReader()
  const answer = (order: ReadingOrder): void => {
    try {
      const reading = read(order)
      port.postMessage({ reading } satisfies FromReader, [reading.texts.buffer as ArrayBuffer])
    } catch (error) {
      port.postMessage({ failed: messageOf(error) } satisfies FromReader)
    }
  }
  port.on('message', answer)
  port.postMessage({ ready: true } satisfies FromReader)
}
