import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const blockBytes = 4096

/** Milliseconds of each of `count` appends of 4 KiB to a new file, flushed one by one: what the disk asks of every durable write. */
export const appendAndFlush = (directory: string, count: number): Float64Array => {
  const file = openSync(join(directory, `flush-${process.hrtime.bigint()}`), 'w')
  const block = Buffer.alloc(blockBytes, 1)
  const times = new Float64Array(count)
  for (let index = 0; index < count; index++) {
    const begun = performance.now()
    writeSync(file, block)
    fdatasyncSync(file)
    times[index] = performance.now() - begun
  }
  closeSync(file)
  return times
}
