import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'

export interface Program extends AsyncDisposable {
  readonly pid: number
  /** What the pattern for readiness caught, or its whole match. */
  readonly said: string
  /** From the spawn to the line that said it was ready. */
  readonly readyAfterMs: number
  stop(signal?: NodeJS.Signals): Promise<void>
}

export interface ProgramOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Looked for in every line of its standard output; without it the program counts as ready at once. */
  readonly ready?: RegExp
  /** File for its standard error. */
  readonly log: string
}

/** Whatever still runs dies with this process. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

const startWithinMs = 120_000
const stopWithinMs = 30_000

/** Starts a program and waits until it says that it is ready. */
export const startProgram = async ({ command, args, cwd, env = {}, ready, log }: ProgramOptions): Promise<Program> => {
  const begun = performance.now()
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', openSync(log, 'a')],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  const said = await (ready === undefined ? Promise.resolve('') : readiness(child, ready)).catch((error: unknown) => {
    child.kill('SIGKILL')
    throw new Error(`${command} ${args.join(' ')} did not start (see ${log}): ${error instanceof Error ? error.message : error}`)
  })
  const readyAfterMs = performance.now() - begun
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
    await gone
    clearTimeout(late)
  }
  return { pid: child.pid as number, said, readyAfterMs, stop, [Symbol.asyncDispose]: () => stop() }
}

const readiness = (child: ChildProcess, ready: RegExp): Promise<string> =>
  new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not ready within ${startWithinMs} ms`)), startWithinMs)
    const settle = (finish: () => void): void => {
      clearTimeout(late)
      finish()
    }
    child.once('error', (error) => settle(() => reject(error)))
    child.once('exit', (code, signal) => settle(() => reject(new Error(`it ended (${signal ?? code})`))))
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const match = ready.exec(line)
      if (match !== null) settle(() => resolve(match[1] ?? match[0]))
    })
  })

/** A TCP port of loopback that nobody listens on at the moment. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A process and all that descend from it. */
export const treeOf = (pid: number): readonly number[] => {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = statOf(Number(name))?.parent
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const below = (parent: number): number[] => [parent, ...(children.get(parent) ?? []).flatMap(below)]
  return below(pid)
}

/** Proportional set size of process trees in MiB: shared pages count for their share. Linux only. */
export const memoryOf = (pids: readonly number[]): number => {
  let kilobytes = 0
  for (const pid of pids.flatMap(treeOf))
    kilobytes += Number(/^Pss:\s+(\d+)/m.exec(readOr(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0)
  return kilobytes / 1024
}

const ticksPerSecond = 100

/** Processor time that process trees have used so far, in milliseconds, to ten of them. Linux only. */
export const processorTimeOf = (pids: readonly number[]): number => {
  let ticks = 0
  for (const pid of pids.flatMap(treeOf)) ticks += statOf(pid)?.ticks ?? 0
  return (ticks / ticksPerSecond) * 1000
}

const statOf = (pid: number): { readonly parent: number; readonly ticks: number } | undefined => {
  const text = readOr(`/proc/${pid}/stat`)
  // The command in parentheses may hold spaces; behind it come state, parent, …, utime (12th), stime (13th).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields.length < 13 ? undefined : { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }
}

const readOr = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // gone meanwhile
  }
}
