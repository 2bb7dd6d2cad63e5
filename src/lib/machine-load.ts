import { readFile } from 'node:fs/promises'
import { cpus, freemem, totalmem } from 'node:os'
import type { Clock } from './clock.ts'

const modes = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq'] as const

/** Share of each mode in the time of all processors together, in percent. */
export type ProcessorLoad = Readonly<Record<(typeof modes)[number], number>>

/** In bytes. */
export interface MemoryLoad {
  readonly total: number
  readonly active: number
  readonly free: number
  readonly cached: number
  readonly swap_total: number
  readonly swap_free: number
}

/** How busy the processors are during `sampleMs` from now on. Rejects with the signal's reason. */
export const processorLoad = async ({
  clock,
  sampleMs,
  signal,
}: {
  readonly clock: Clock
  readonly sampleMs: number
  readonly signal?: AbortSignal
}): Promise<ProcessorLoad> => {
  const before = await processorTimes()
  await clock.sleep(sampleMs, signal)
  const after = await processorTimes()
  const spent = after.map((time, n) => Math.max(0, time - (before[n] ?? 0)))
  const all = spent.reduce((sum, time) => sum + time, 0)
  // No tick within the sample: nothing was done.
  const percent = (n: number): number => (all === 0 ? (modes[n] === 'idle' ? 100 : 0) : (100 * (spent[n] ?? 0)) / all)
  return Object.fromEntries(modes.map((mode, n) => [mode, percent(n)])) as ProcessorLoad
}

/** By mode, in a unit of the system's, with what a hypervisor took last. Time of guests is part of `user`. */
const processorTimes = async (): Promise<readonly number[]> => {
  const [, line] = /^cpu +(.*)$/m.exec(await textOf('/proc/stat')) ?? []
  if (line !== undefined) return line.split(/\s+/).slice(0, 8).map(Number)
  const sum = (mode: 'user' | 'nice' | 'sys' | 'idle' | 'irq'): number =>
    cpus().reduce((total, { times }) => total + times[mode], 0)
  return [sum('user'), sum('nice'), sum('sys'), sum('idle'), 0, sum('irq'), 0]
}

export const memoryLoad = async (): Promise<MemoryLoad> => {
  const text = await textOf('/proc/meminfo')
  const found = new Map([...text.matchAll(/^([^:\n]+): +(\d+) kB$/gm)].map(([, name, amount]) => [name, Number(amount) * 1024]))
  const bytes = (name: string): number => found.get(name) ?? 0
  return {
    total: found.get('MemTotal') ?? totalmem(),
    active: bytes('Active'),
    free: found.get('MemFree') ?? freemem(),
    cached: bytes('Cached'),
    swap_total: bytes('SwapTotal'),
    swap_free: bytes('SwapFree'),
  }
}

/** Empty where the system has no such file. */
const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
