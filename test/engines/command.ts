import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/lib/clock.ts'
import { endingSignals, type StartedEngine, startWithinMs } from './engine.ts'
import { freePortPair, untilAccepting } from './ports.ts'

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

const saysReady = /Kafka Server started|^ready /m
/** An engine that says nothing counts as ready this long after its port took a connection. */
const quietMs = 5_000
const keptOutput = 20_000

/**
 * Starts an engine by a shell command line in which `{port}` and `{data}` stand for a free port (the one after it is free
 * too) and a fresh directory. It has to become the engine (`exec`), so that signals reach it.
 */
export const startByCommand = async (template: string, wanted?: number): Promise<StartedEngine> => {
  const port = wanted ?? (await freePortPair())
  const data = mkdtempSync(join(tmpdir(), 'intendant-engine-'))
  const line = template.replaceAll('{port}', String(port)).replaceAll('{data}', `'${data}'`)
  let running = await run(line, port)

  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (running.exitCode !== null || running.signalCode !== null) return
    const ended = once(running, 'exit')
    running.kill(signal)
    if (endingSignals.includes(signal)) await ended
  }

  return {
    port,
    kill,
    start: async () => {
      running = await run(line, port)
    },
    stop: async () => {
      await kill('SIGKILL')
      rmSync(data, { recursive: true, force: true })
    },
  }
}

const run = async (line: string, port: number): Promise<ChildProcess> => {
  const child = spawn('bash', ['-c', line], { stdio: ['ignore', 'pipe', 'pipe'] })
  alive.add(child)
  let output = ''
  const listening = new AbortController()
  const ready = new Promise<'ready'>((resolve) => {
    const keep = (chunk: Buffer): void => {
      if (output.length < keptOutput) output += chunk
      if (saysReady.test(output)) resolve('ready')
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    void untilAccepting(port, listening.signal)
      .then(() => systemClock.sleep(quietMs))
      .then(() => resolve('ready'))
  })
  const ended = new Promise<'ended'>((resolve) =>
    child.once('exit', () => {
      alive.delete(child)
      resolve('ended')
    }),
  )
  const { promise: late, resolve: giveUp } = Promise.withResolvers<'late'>()
  const cancel = systemClock.after(startWithinMs, () => giveUp('late'))
  const outcome = await Promise.race([ready, ended, late])
  cancel()
  listening.abort()
  if (outcome === 'ready') return child
  child.kill('SIGKILL')
  throw new Error(`the engine ${outcome === 'late' ? 'was not ready in time' : 'ended before it was ready'}: ${line}\n${output}`)
}
