import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { messageOf } from '../../lib/errors.ts'
import { CannotStart } from './find-program.ts'

/** A process that waits until it is let go. */
export interface Gate {
  readonly pid: number
  readonly child: ChildProcess
  readonly exited: Promise<ProgramExit>
  /** Lets it become the program. */
  open(): void
  /** It ends without having done anything; so it does where this process ends. */
  close(): void
}

/** A gate whose streams are pipes. */
export interface PipedGate extends Gate {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
}

/** Exactly one of the two is null. */
export interface ProgramExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

interface GateOptions {
  /** The first is the path of the file. */
  readonly argv: readonly string[]
  /** A file of which the script speaks as `$0`. */
  readonly mark: string
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
}

/** Does nothing before it reads a line from a descriptor of this process. The program gets no variable of the shell. */
const wait = 'IFS= read -r _ <&3 || exit; unset PWD OLDPWD SHLVL _;'

/** The shell becomes the program, with the same pid, and does not pass the descriptor on. Where that cannot be executed the mark is made. */
const replace = `trap ': >"$0"' EXIT; ${wait} exec "$@" 3<&-`

/** The shell stays, ignores TERM, and writes the exit code to the mark, whole. */
const remain = `${wait} exec 3<&-; trap : TERM; "$@"; echo "$?" >"$0.new" && mv "$0.new" "$0"`

/** A process that becomes the program. Throws `CannotStart` where the system gives no process. */
export const startGate = async (options: GateOptions): Promise<PipedGate> => {
  const gate = await open(replace, options, ['pipe', 'pipe', 'pipe', 'pipe'])
  const stdin = gate.child.stdin as Writable
  // The process may have ended, or does not read what it is given.
  stdin.on('error', () => undefined)
  return { ...gate, stdin, stdout: gate.child.stdout as Readable, stderr: gate.child.stderr as Readable }
}

/** A process that runs the program and outlives this one; its streams are files. Throws `CannotStart`. */
export const startLastingGate = (
  options: GateOptions & { readonly files: readonly [stdin: number, stdout: number, stderr: number] },
): Promise<Gate> => open(remain, options, [...options.files, 'pipe'])

const open = async (script: string, { argv, mark, directory, environment }: GateOptions, stdio: StdioOptions): Promise<Gate> => {
  let child: ChildProcess
  try {
    child = spawn('/bin/sh', ['-c', script, mark, ...argv], { cwd: directory, env: environment, detached: true, stdio })
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
  lock.on('error', () => undefined)
  return {
    pid: child.pid,
    child,
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
