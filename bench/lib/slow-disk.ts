import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Bench } from './bench.ts'

/** Environment of a process whose flushes take longer; undefined, after a line that says why, where none can be made. */
export const slowDisk = (bench: Bench, flushMs: number): Readonly<Record<string, string>> | undefined => {
  const library = join(bench.scratch('slow-flush'), 'slow-flush.so')
  const source = new URL('../floors/slow-flush.c', import.meta.url).pathname
  const { status, error, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], {
    encoding: 'utf8',
  })
  if (status === 0) return { LD_PRELOAD: library, FLUSH_MS: String(flushMs) }
  bench.say(`the slow disk is skipped, its library cannot be built: ${error?.message ?? stderr.split('\n')[0]}`)
  return undefined
}
