import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../../../lib/errors.ts'
import { openWritingConnection } from '../schema.ts'
import { decodeBatch } from './batch-text.ts'
import type { BatchResult } from './write-requests.ts'
import { createWriter } from './writer.ts'

export interface WriterThreadData {
  readonly path: string
  /** The last position that anybody was told of. */
  readonly acknowledged: number
}

/** What the thread is told: a batch in the form that `encodeBatch` gives it, or to end. */
export type ToWriter = { readonly write: string } | { readonly close: true }

/** What it says: `opened` (the last position on disk) or `refused` at its start, then one answer per message. */
export type FromWriter =
  | { readonly opened: number }
  | { readonly refused: string }
  | { readonly written: BatchResult }
  | { readonly closed: true }

/** The thread that owns the writing connection: flushing the disk blocks here and nowhere else. */
const serve = (port: MessagePort, { path, acknowledged }: WriterThreadData): void => {
  const say = (message: FromWriter): void => port.postMessage(message)
  try {
    const writer = createWriter({ open: () => openWritingConnection(path), reopens: true, acknowledged })
    port.on('message', (message: ToWriter) => {
      if ('write' in message) {
        say({ written: writer.write(decodeBatch(message.write)) })
        return
      }
      writer.close()
      say({ closed: true })
      port.close()
    })
    say({ opened: writer.last() })
  } catch (error) {
    say({ refused: messageOf(error) })
    port.close()
  }
}

if (parentPort !== null) serve(parentPort, workerData as WriterThreadData)
