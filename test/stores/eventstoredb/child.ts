import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

export interface Child {
  readonly process: ChildProcess
  /** The next line that it prints; rejects when it ends instead. */
  line(): Promise<string>
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<unknown>
}

/** Runs one of the programs beside the tests; it does not outlive the test. */
export const startChild = (program: string, ...words: readonly string[]): Child => {
  const child = spawn(process.execPath, [join(import.meta.dirname, program), ...words], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    process: child,
    line: async () => {
      const { value, done } = await lines.next()
      if (done) throw new Error(`${program} ended instead of saying something`)
      return value
    },
    kill: (signal) => void child.kill(signal),
    ended,
  }
}
