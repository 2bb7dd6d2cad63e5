import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { parentPort } from 'node:worker_threads'

/** The file whose write-ahead log is to be copied; sent back when that was tried. */
export interface CheckpointOrder {
  readonly file: string
}

/** Never waits for who reads or writes: what they still need is left for the next time. */
const checkpoint = (file: string): void => {
  const url = pathToFileURL(file)
  // The view may have been discarded meanwhile, and must not be made again.
  url.searchParams.set('mode', 'rw')
  const database = new DatabaseSync(url)
  try {
    database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_checkpoint(PASSIVE)')
  } finally {
    database.close()
  }
}

const port = parentPort
port?.on('message', (order: CheckpointOrder) => {
  try {
    checkpoint(order.file)
  } catch {
    // SQLite does it by itself at the latest when the log has become long.
  }
  port.postMessage(order)
})
