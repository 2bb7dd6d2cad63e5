import { existsSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { Presets, SingleBar } from 'cli-progress'
import type { Command } from 'commander'
import { pino } from 'pino'
import { dataDirectory } from '../../data-directory.ts'
import { systemClock } from '../../lib/clock.ts'
import { messageOf, Unavailable } from '../../lib/errors.ts'
import type { LogEnd } from '../../stores/copy/copy-end.ts'
import { type CopyReport, copyLog, type Progress } from '../../stores/copy/copy-log.ts'
import { openEmbeddedLogEnd } from '../../stores/embedded/copy-end.ts'
import { isConnectionString } from '../../stores/eventstoredb/connection-string.ts'
import { CommandFailed } from '../exit-codes.ts'
import { withLockedData } from '../locked-data-directory.ts'
import { type JsonOption, withJson } from '../options.ts'
import { isTerminal, print, printJson } from '../terminal.ts'

interface CopyOptions extends JsonOption {
  readonly from: string
  readonly to: string
}

/** `log copy`: moves a log to another engine. */
export const logCommand = (program: Command): void => {
  const group = program.command('log').description('copy the event log')
  withJson(group.command('copy').description('copy a log of a stopped server; an interrupted copy continues when run again'))
    .requiredOption('--from <where>', 'a data directory, a log file, or esdb://…, kurrentdb://…')
    .requiredOption('--to <where>', 'the same; empty, or an interrupted copy')
    .action(copy)
}

const appendTimeoutMs = 10_000
const startWithinMs = 5_000

const notes = [
  'Sealed secrets can be read with the same master key only: use the same SECRETS_KEY there, or copy secrets.key.',
  'Blobs (bodies of pages and items) are not in the log: copy the directory "blobs" to the new DATA_DIR or BLOBS_DIR.',
]

async function copy({ from, to, json = false }: CopyOptions): Promise<void> {
  const began = systemClock.monotonic()
  const bar = !json && isTerminal() ? createBar() : undefined
  const report = await withEnd(from, { isTarget: false }, (source) =>
    withEnd(to, { isTarget: true }, (target) => carryOut(source, target, bar?.show)),
  ).finally(() => bar?.stop())
  const seconds = (systemClock.monotonic() - began) / 1000
  if (json) return printJson({ ...report, verified: true, seconds, notes })
  const { events, alreadyThere, forgotten, digest } = report
  print(`${events} events, ${alreadyThere} of them copied earlier; both logs compared event by event (sha256 ${digest}).`)
  if (forgotten > 0) print(`${forgotten} key streams that the source has forgotten are forgotten in the copy.`)
  for (const note of notes) print(note)
}

const carryOut = async (from: LogEnd, to: LogEnd, progress: Progress | undefined): Promise<CopyReport> => {
  try {
    return await copyLog({ from, to, ...(progress === undefined ? {} : { progress }) })
  } catch (error) {
    if (error instanceof Unavailable)
      throw new CommandFailed('outOfReach', `${error.message}; run the same command again to go on`)
    throw error
  }
}

/** Opens one end of the copy, and closes it whatever happens. */
const withEnd = async <Result>(
  where: string,
  { isTarget }: { readonly isTarget: boolean },
  use: (end: LogEnd) => Promise<Result>,
): Promise<Result> => {
  if (isConnectionString(where)) return withClosing(await openServer(where), use)
  const path = fileOf(where)
  if (!isTarget && !existsSync(path)) throw new CommandFailed('notFound', `there is no log ${path}`)
  const directory = dirname(path)
  const views = dataDirectory(directory).views
  if (isTarget && !existsSync(path) && existsSync(views))
    throw new CommandFailed('failed', `${views} was made from another log: name an empty directory, or remove it first`)
  return withLockedData({ directory, purpose: 'log copy' }, async () => withClosing(openEmbeddedLogEnd(path), use))
}

const withClosing = async <Result>(end: LogEnd, use: (end: LogEnd) => Promise<Result>): Promise<Result> => {
  try {
    return await use(end)
  } finally {
    await end.close()
  }
}

/** The log file that a path means: a file, or the log of a data directory. */
const fileOf = (where: string): string => {
  const path = resolve(where)
  const isFile = existsSync(path) ? statSync(path).isFile() : basename(path).endsWith('.db')
  return isFile ? path : dataDirectory(path).log
}

const openServer = async (url: string): Promise<LogEnd> => {
  const [{ openEventStoreDb }, { openEventStoreDbLogEnd }] = await Promise.all([
    import('../../stores/eventstoredb/open-connection.ts'),
    import('../../stores/eventstoredb/copy-end.ts'),
  ])
  try {
    const opened = await openEventStoreDb({
      url,
      appendTimeoutMs,
      clock: systemClock,
      logger: pino({ level: 'silent' }),
      startWithinMs,
    })
    return await openEventStoreDbLogEnd({ opened, clock: systemClock })
  } catch (error) {
    throw new CommandFailed('outOfReach', messageOf(error))
  }
}

const createBar = () => {
  const bar = new SingleBar(
    { format: '{phase} {bar} {percentage}% · {events} events', hideCursor: true, barsize: 30, fps: 10 },
    Presets.rect,
  )
  bar.start(1, 0, { phase: 'comparing', events: 0 })
  const show: Progress = (phase, share, events) => bar.update(share, { phase: phase.padEnd('comparing'.length), events })
  return { show, stop: () => bar.stop() }
}
