import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { messageOf } from '../../lib/errors.ts'
import { CannotStart } from './find-program.ts'

/** A process that waits until it is let go, and becomes the program then, with the same pid. */
export interface Gate {
  readonly pid: number
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  readonly exited: Promise<ProgramExit>
  /** Lets it become the program. */
  open(): void
  /** It ends without having done anything; so it does where this process ends. */
  close(): void
}

/** Exactly one of the two is null. */
export interface ProgramExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/**
 * A shell that has the number of the program and does nothing before it reads a line from a descriptor of this process. The program gets
 * neither that descriptor nor a variable of the shell. Where the program cannot be executed the shell leaves a mark, the file `$0`.
 */
const script = 'trap \': >"$0"\' EXIT; IFS= read -r _ <&3 || exit; unset PWD OLDPWD SHLVL _; exec "$@" 3<&-'

/** Throws `CannotStart` where the system gives no process. */
export const startGate = async ({
  argv,
  failed,
  directory,
  environment,
}: {
  /** The first is the path of the file. */
  readonly argv: readonly string[]
  /** Made where the program cannot be executed. */
  readonly failed: string
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
}): Promise<Gate> => {
  let child: ChildProcess
  try {
    child = spawn('/bin/sh', ['-c', script, failed, ...argv], {
      cwd: directory,
      env: environment,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    })
  } catch (error) {
    throw new CannotStart(messageOf(error))
  }
  const exited = new Promise<ProgramExit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  if (child.pid === undefined) {
    const [error] = (await once(child, 'error')) as [Error]
    throw new CannotStart(`no process can be started: ${error.message}`)
  }
  child.on('error', () => undefined)
  const lock = child.stdio[3] as Writable
  const stdin = child.stdin as Writable
  // The process may have ended, or does not read what it is given.
  for (const stream of [lock, stdin]) stream.on('error', () => undefined)
  return {
    pid: child.pid,
    stdin,
    stdout: child.stdout as Readable,
    stderr: child.stderr as Readable,
    exited,
    open: () => {
      lock.end('\n')
      // What the shell has not read yet is kept for it; this end is not needed any more.
      lock.once('finish', () => lock.destroy())
    },
    close: () => {
      lock.destroy()
    },
  }
}
