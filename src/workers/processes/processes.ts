import type { Readable } from 'node:stream'
import type { ProgramExit } from './start-gate.ts'

/** A program to run. Source: native contract, section 9. */
export interface Program {
  /** Names its folder; unique among the programs that run. */
  readonly name: string
  /** Never given to a shell. `argv[0]`: absolute, with a slash relative to `base`, without one looked up in PATH. */
  readonly argv: readonly string[]
  readonly base: string
  /** Added to the clean environment: PATH, LANG, and HOME and TMPDIR in a folder of its own. */
  readonly environment?: Readonly<Record<string, string>>
  /** All that it can read from its standard input. Default: nothing. */
  readonly stdin?: string | Uint8Array
  /** Where it starts. Default: a folder of its own, empty but for what `prepare` puts there, and removed when it has ended. */
  readonly directory?: string
  readonly prepare?: (directory: string) => Promise<void>
  /** Ends the program: TERM to its group, KILL after the grace. */
  readonly signal: AbortSignal
  /** Between TERM and KILL. Default: that of the port; a shutdown makes it shorter. */
  readonly graceMs?: number
  /** Ends it as the signal does. Default: never. */
  readonly timeoutMs?: number
  /** Most bytes of each stream that are passed on; the rest is read and dropped. Default: all. */
  readonly mostBytes?: number
  /** Are given what it writes, while it runs; back-pressure makes it wait. Where one rejects, the program is ended. */
  stdout(stream: Readable): Promise<void>
  stderr(stream: Readable): Promise<void>
}

/** How a program ended. */
export interface ProgramEnd extends ProgramExit {
  readonly pid: number
  readonly isTimedOut: boolean
  /** Bytes that were not passed on. */
  readonly droppedBytes: number
}

/** A program that goes on when its server ends. Its output is appended to files, which whoever asked for it reads. */
export interface LastingProgram
  extends Pick<Program, 'name' | 'argv' | 'base' | 'environment' | 'stdin' | 'directory' | 'signal' | 'graceMs'> {
  readonly stdoutFile: string
  readonly stderrFile: string
}

/** Runs programs, each in a process group of its own. Tested by test/workers/processes. */
export interface Processes {
  /** How long a program lives after its signal at most, where it says nothing else. */
  readonly endsWithinMs: number
  /**
   * Resolves when the program has ended, all that it left in its group too, and its output has been taken. Throws `CannotStart` where it
   * cannot be executed, `Unavailable` where its start cannot be recorded, what the signal was aborted with where that ended it, and what
   * `stdout` or `stderr` threw.
   */
  run(program: Program): Promise<ProgramEnd>
  /**
   * Starts a program that goes on when this process ends, or watches the one of that name that an earlier process started. Resolves when it has ended and
   * all that it left in its group too: `lost` where its exit code was not written. Asked again, it answers the same until it is forgotten. Throws
   * `CannotStart`, and what the signal was aborted with: a shutdown leaves the program running, everything else ends it.
   */
  runLasting(program: LastingProgram): Promise<ProgramExit | 'lost'>
  /** Forgets how a lasting program ended: to be called when that is on record elsewhere. */
  forgetLasting(name: string): Promise<void>
  /** Kills what still runs, but for lasting programs. Resolves when it has ended. */
  stop(): Promise<void>
}
