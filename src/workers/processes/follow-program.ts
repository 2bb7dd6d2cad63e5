import { existsSync } from 'node:fs'
import { Readable } from 'node:stream'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { AttemptAborted } from '../engine/attempt.ts'
import { CannotStart } from './find-program.ts'
import { askToEnd, endGroup, endStrays, kill } from './process-group.ts'
import type { Program, ProgramEnd } from './processes.ts'
import type { PipedGate } from './start-gate.ts'

/** How the shell ends that could not execute the program. */
const notExecuted = [126, 127]
/** A pipe that somebody outside of the group holds open is given up after this time without output. */
const silenceMs = 1_000

/** Why a program is ended before it ends by itself. */
type Cause = { readonly by: 'signal' | 'time' } | { readonly by: 'taker'; readonly error: unknown }

/** From the start of a program to its end, as `Processes.run` tells it. */
export const followProgram = async (
  program: Program,
  gate: PipedGate,
  {
    failed,
    folder,
    graceMs: usualGraceMs,
    shutdownGraceMs,
    clock,
    logger,
  }: {
    /** Is there where the program could not be executed. */
    readonly failed: string
    /** Stands in the environment of the program and of what it starts. */
    readonly folder: string
    readonly graceMs: number
    readonly shutdownGraceMs: number
    readonly clock: Clock
    readonly logger: Logger
  },
): Promise<ProgramEnd> => {
  const { pid } = gate
  const { signal } = program
  let cause: Cause | undefined
  let cancelKill: (() => void) | undefined
  /** By the monotonic clock. */
  let killAt: number | undefined

  const end = (why: Cause): void => {
    if (cause !== undefined) return
    cause = why
    const asked = program.graceMs ?? usualGraceMs
    const graceMs = why.by === 'signal' && isShutdown(signal.reason) ? Math.min(asked, shutdownGraceMs) : asked
    killAt = clock.monotonic() + graceMs
    askToEnd(pid)
    cancelKill = clock.after(graceMs, () => kill(pid))
  }
  const endBySignal = (): void => end({ by: 'signal' })

  const { pass, dropped } = passUpTo(program.mostBytes)
  const taken = Promise.all([program.stdout(pass(gate.stdout)), program.stderr(pass(gate.stderr))]).catch((error: unknown) =>
    end({ by: 'taker', error }),
  )
  signal.addEventListener('abort', endBySignal, { once: true })
  if (signal.aborted) endBySignal()
  const cancelTimeout = program.timeoutMs === undefined ? undefined : clock.after(program.timeoutMs, () => end({ by: 'time' }))
  gate.stdin.end(program.stdin ?? '')

  try {
    const exit = await gate.exited
    const stopped = cause
    signal.removeEventListener('abort', endBySignal)
    cancelTimeout?.()
    cancelKill?.()
    gate.stdin.destroy()
    const graceMs = killAt === undefined ? (program.graceMs ?? usualGraceMs) : Math.max(0, killAt - clock.monotonic())
    if (!(await endGroup(pid, graceMs, clock)) || !(await endStrays(folder, graceMs, clock)))
      logger.error({ pid }, 'what a program left behind could not be ended')
    const giveUp = [gate.stdout, gate.stderr].map((stream) => endWhenSilent(stream, clock))
    await taken
    for (const cancel of giveUp) cancel()
    const refused = stopped ?? cause
    if (refused?.by === 'taker') throw refused.error
    if (refused?.by === 'signal') throw signal.reason
    if (exit.code !== null && notExecuted.includes(exit.code) && existsSync(failed))
      throw new CannotStart(
        `${program.argv[0]} cannot be executed: its interpreter is missing, or the system does not know its format`,
      )
    return { ...exit, pid, isTimedOut: stopped?.by === 'time', droppedBytes: dropped() }
  } finally {
    for (const stream of [gate.stdout, gate.stderr]) stream.destroy()
  }
}

const isShutdown = (reason: unknown): boolean => reason instanceof AttemptAborted && reason.why === 'shutdown'

/** What is in a pipe when the last process of the group has ended is read; then its end comes, unless a process of another group has it too. */
const endWhenSilent = (stream: Readable, clock: Clock): (() => void) => {
  let seen = -1
  let cancel: () => void
  const look = (): void => {
    const { bytesRead } = stream as Readable & { readonly bytesRead: number }
    const isSilent = bytesRead === seen && stream.readableLength === 0
    seen = bytesRead
    if (isSilent && !stream.readableEnded) stream.push(null)
    else cancel = clock.after(silenceMs, look)
  }
  cancel = clock.after(0, look)
  return () => cancel()
}

/** Passes on so many bytes of each stream, and counts the others. */
const passUpTo = (mostBytes: number | undefined) => {
  let dropped = 0
  async function* beginning(stream: Readable, most: number): AsyncGenerator<Buffer> {
    let left = most
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (left > 0) yield chunk.subarray(0, left)
      dropped += Math.max(0, chunk.length - left)
      left = Math.max(0, left - chunk.length)
    }
  }
  return {
    pass: (stream: Readable): Readable =>
      mostBytes === undefined ? stream : Readable.from(beginning(stream, mostBytes), { objectMode: false }),
    dropped: () => dropped,
  }
}
