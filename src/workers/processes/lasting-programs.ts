import { open, readFile, writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { AttemptAborted } from '../engine/attempt.ts'
import { findProgram } from './find-program.ts'
import { isStillOurs } from './orphans.ts'
import { endGroup } from './process-group.ts'
import { processOf } from './process-table.ts'
import type { LastingProgram, Processes } from './processes.ts'
import {
  folderAt,
  makeFolder,
  type ProgramFolder,
  type ProgramRecord,
  readRecord,
  removeFolder,
  writeRecord,
} from './program-folders.ts'
import { type ProgramExit, startLastingGate } from './start-gate.ts'

const lookMs = 200
/** A shell tells a signal as an exit code above this. */
const signalBase = 128

/** Programs that outlive the server: found again by their record, watched by their pid and start time. */
export const createLastingPrograms = ({
  directory,
  ready,
  boot,
  graceMs: usualGraceMs,
  environment,
  clock,
}: {
  readonly directory: string
  readonly ready: Promise<unknown>
  readonly boot: string
  readonly graceMs: number
  readonly environment: { readonly PATH: string; readonly LANG: string }
  readonly clock: Clock
}): Pick<Processes, 'runLasting' | 'forgetLasting'> => {
  const start = async (program: LastingProgram): Promise<ProgramRecord> => {
    const folder = await makeFolder(directory, program.name)
    try {
      return await startIn(folder, program)
    } catch (error) {
      await removeFolder(folder)
      throw error
    }
  }

  const startIn = async (folder: ProgramFolder, program: LastingProgram): Promise<ProgramRecord> => {
    const variables = { ...environment, HOME: folder.home, TMPDIR: folder.temporary, ...program.environment }
    const file = await findProgram(program.argv[0] ?? '', { base: program.base, path: variables.PATH })
    await writeFile(folder.stdin, program.stdin ?? '', { mode: 0o600 })
    const files = await Promise.all([
      open(folder.stdin, 'r'),
      open(program.stdoutFile, 'a', 0o600),
      open(program.stderrFile, 'a', 0o600),
    ])
    try {
      const [stdin, stdout, stderr] = files
      const gate = await startLastingGate({
        argv: [file, ...program.argv.slice(1)],
        mark: folder.code,
        directory: program.directory ?? folder.work,
        environment: variables,
        files: [stdin.fd, stdout.fd, stderr.fd],
      })
      gate.child.unref()
      const record = { pid: gate.pid, startTime: processOf(gate.pid)?.startTime ?? '', boot, lasting: true }
      await writeRecord(folder, record).catch((error: unknown) => {
        gate.close()
        throw error
      })
      gate.open()
      return record
    } finally {
      await Promise.all(files.map((handle) => handle.close()))
    }
  }

  /** Until it has ended, or is to end. */
  const watch = async ({ pid, startTime }: ProgramRecord, signal: AbortSignal): Promise<void> => {
    const isRunning = (): boolean => {
      const found = processOf(pid)
      return found !== undefined && found.startTime === startTime && found.state !== 'Z'
    }
    while (isRunning()) await clock.sleep(lookMs, signal)
  }

  return {
    runLasting: async (program) => {
      await ready
      const { signal } = program
      signal.throwIfAborted()
      const folder = folderAt(join(directory, program.name))
      const record = (await readRecord(folder)) ?? (await start(program))
      const end = async (): Promise<void> => {
        if (isStillOurs(record, folder)) await endGroup(record.pid, program.graceMs ?? usualGraceMs, clock)
      }
      try {
        await watch(record, signal)
      } catch (error) {
        if (error instanceof AttemptAborted && error.why === 'shutdown') throw error
        await end()
        await removeFolder(folder)
        throw error
      }
      await end()
      return exitOf(folder)
    },
    forgetLasting: (name) => removeFolder(folderAt(join(directory, name))),
  }
}

const exitOf = async ({ code: file }: ProgramFolder): Promise<ProgramExit | 'lost'> => {
  const text = await readFile(file, 'utf8').catch(() => '')
  if (!/^\d+\n$/.test(text)) return 'lost'
  const code = Number(text)
  const signal = Object.entries(constants.signals).find(([, number]) => signalBase + number === code)?.[0]
  return signal === undefined ? { code, signal: null } : { code: null, signal: signal as NodeJS.Signals }
}
