import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { messageOf } from '../../lib/errors.ts'
import { decodeBatch } from './batch-text.ts'
import { createMailbox, type Mailbox } from './mailbox.ts'
import type { BatchResult } from './requests.ts'
import { openWritingConnection } from './schema.ts'
import { createWriter, type Writer } from './writer.ts'

export interface WriterThreadData {
  readonly path: string
  /** The last position that anybody was told of. */
  readonly acknowledged: number
  readonly memory: SharedArrayBuffer
}

/** What the thread is told beside what lies in the mailbox; a batch in the form that `encodeBatch` gives it. */
export type ToWriter = { readonly write: string } | { readonly close: true }

/** What it says: `opened` (the last position on disk) or `refused` at its start, then one answer per batch, perhaps in the mailbox. */
export type FromWriter =
  | { readonly opened: number }
  | { readonly refused: string }
  | { readonly written: BatchResult | 'in the mailbox' }
  | { readonly closed: true }

/** The thread that owns the writing connection: flushing the disk blocks here and nowhere else, and so does waiting for work. */
const serve = (port: MessagePort, { path, acknowledged, memory }: WriterThreadData): void => {
  const say = (message: FromWriter): void => port.postMessage(message)
  try {
    const writer = createWriter({ open: () => openWritingConnection(path), reopens: true, acknowledged })
    say({ opened: writer.last() })
    work(port, writer, createMailbox(memory), say)
    writer.close()
    say({ closed: true })
  } catch (error) {
    say({ refused: messageOf(error) })
  }
  port.close()
}

/** Writes until it is told to close. */
const work = (port: MessagePort, writer: Writer, mailbox: Mailbox, say: (message: FromWriter) => void): void => {
  for (let heard = 0; ; ) {
    heard = mailbox.wait(heard)
    const message = receiveMessageOnPort(port)?.message as ToWriter | undefined
    if (message !== undefined && 'close' in message) return
    const batch = message?.write ?? mailbox.take()
    if (batch === undefined) continue
    const written = writer.write(decodeBatch(batch))
    say({ written: mailbox.answer(written) ? 'in the mailbox' : written })
  }
}

if (parentPort !== null) serve(parentPort, workerData as WriterThreadData)
