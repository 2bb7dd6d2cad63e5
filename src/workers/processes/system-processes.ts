import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { Unavailable } from '../../lib/errors.ts'
import { createSlots } from '../engine/slots.ts'
import { findProgram } from './find-program.ts'
import { followProgram } from './follow-program.ts'
import { createLastingPrograms } from './lasting-programs.ts'
import { endOrphans } from './orphans.ts'
import { kill, killedWithinMs } from './process-group.ts'
import { bootId, processOf } from './process-table.ts'
import type { Processes, Program, ProgramEnd } from './processes.ts'
import { makeFolder, type ProgramFolder, removeFolder, writeRecord } from './program-folders.ts'
import { type PipedGate, startGate } from './start-gate.ts'

export interface ProcessesOptions {
  /** Holds a folder for each running program, and nothing else. One process at a time uses it. */
  readonly directory: string
  readonly clock: Clock
  readonly logger: Logger
  /** Between TERM and KILL. Default 5000. */
  readonly graceMs?: number
  /** The same when the server shuts down: what does not end by then is killed before it is handed back. Default: `graceMs`. */
  readonly shutdownGraceMs?: number
  /** Programs at the same time; others wait. Default 256. */
  readonly atOnce?: number
  /** PATH and LANG of the programs. */
  readonly environment?: { readonly PATH?: string; readonly LANG?: string }
}

const defaultGraceMs = 5_000
const defaultAtOnce = 256
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** A program under way. */
interface Running {
  readonly pid: number
  readonly over: Promise<unknown>
}

export const createProcesses = ({
  directory,
  clock,
  logger,
  graceMs = defaultGraceMs,
  shutdownGraceMs = graceMs,
  atOnce = defaultAtOnce,
  environment: { PATH = defaultPath, LANG = 'C.UTF-8' } = {},
}: ProcessesOptions): Processes => {
  const boot = bootId()
  const slots = createSlots(atOnce)
  const running = new Set<Running>()
  /** Nothing is started beside what an earlier process left behind: it may be the same operation. */
  const ready = endOrphans(directory, { graceMs, clock, logger }).catch((error: unknown) =>
    logger.error({ err: error, directory }, 'programs that a killed server left behind were not looked for'),
  )
  /** A process that ends at once, without a stop, leaves nothing behind. */
  const killAll = (): void => {
    for (const { pid } of running) kill(pid)
  }

  const lasting = createLastingPrograms({ directory, ready, boot, graceMs, environment: { PATH, LANG }, clock })

  const start = async (program: Program, folder: ProgramFolder): Promise<PipedGate> => {
    const environment = { PATH, LANG, HOME: folder.home, TMPDIR: folder.temporary, ...program.environment }
    const file = await findProgram(program.argv[0] ?? '', { base: program.base, path: environment.PATH })
    await program.prepare?.(folder.work)
    program.signal.throwIfAborted()
    const gate = await startGate({
      argv: [file, ...program.argv.slice(1)],
      mark: folder.failed,
      directory: program.directory ?? folder.work,
      environment,
    })
    try {
      await writeRecord(folder, { pid: gate.pid, startTime: processOf(gate.pid)?.startTime ?? '', boot })
    } catch (error) {
      gate.close()
      throw error
    }
    gate.open()
    return gate
  }

  const runIn = async (program: Program, folder: ProgramFolder): Promise<ProgramEnd> => {
    const gate = await start(program, folder)
    const over = Promise.withResolvers<void>()
    const entry = { pid: gate.pid, over: over.promise }
    if (running.size === 0) process.on('exit', killAll)
    running.add(entry)
    try {
      return await followProgram(program, gate, {
        failed: folder.failed,
        folder: folder.path,
        graceMs,
        shutdownGraceMs,
        clock,
        logger,
      })
    } finally {
      running.delete(entry)
      if (running.size === 0) process.off('exit', killAll)
      over.resolve()
    }
  }

  return {
    endsWithinMs: graceMs + killedWithinMs,
    ...lasting,
    run: async (program) => {
      await ready
      program.signal.throwIfAborted()
      const release = await slots.take(0, program.signal)
      if (release === undefined) program.signal.throwIfAborted()
      if (release === undefined) throw new Unavailable('no program is started any more: the process ends')
      try {
        program.signal.throwIfAborted()
        const folder = await makeFolder(directory, program.name)
        try {
          return await runIn(program, folder)
        } finally {
          await removeFolder(folder).catch((error: unknown) =>
            logger.warn(
              { err: error, folder: folder.path },
              'the folder of a program was not removed; the next start tries again',
            ),
          )
        }
      } finally {
        release()
      }
    },
    stop: async () => {
      slots.close()
      killAll()
      await Promise.all([...running].map(({ over }) => over))
    },
  }
}
