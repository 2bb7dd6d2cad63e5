import { SingleBar } from 'cli-progress'
import type { Command } from 'commander'
import pino from 'pino'
import { faces, projectionsOf } from '../../app/faces.ts'
import { dataDirectory } from '../../data-directory.ts'
import { systemClock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { JsonObject } from '../../lib/json.ts'
import { createProjections } from '../../projections/engine/projection-engine.ts'
import type { Projections } from '../../projections/projection.ts'
import { CommandFailed } from '../exit-codes.ts'
import { createClient } from '../http-client.ts'
import { withOfflineLog } from '../locked-data-directory.ts'
import { type ServerCommandOptions, withServer } from '../options.ts'
import { isTerminal, print, printJson, printTable } from '../terminal.ts'

interface Options extends ServerCommandOptions {
  readonly dataDir?: string
}

/** `projections ls|rebuild`, at a server or on the files of a stopped one. */
export const projectionsCommand = (program: Command): void => {
  const group = program.command('projections').description('manage the views')
  const offline = 'use the files of a stopped server'
  withServer(group.command('ls').description('list the views')).option('--data-dir <directory>', offline).action(ls)
  withServer(group.command('rebuild <name>').description('rebuild a view from the log'))
    .option('--data-dir <directory>', offline)
    .action(rebuild)
}

const allProjections = projectionsOf(faces)

async function ls(options: Options): Promise<void> {
  const items =
    options.dataDir === undefined
      ? ((await createClient(options).json('/v1/projections')).items as unknown as JsonObject[])
      : await offline(options.dataDir, 'projections ls', (projections) => projections.status())
  if (options.json) return printJson({ items, next: null })
  printTable(['name', 'version', 'state', 'lag', 'position', 'fault'], items as unknown as JsonObject[])
}

async function rebuild(name: string, options: Options): Promise<void> {
  const { dataDir } = options
  if (dataDir === undefined) {
    const answer = await createClient(options).json(`/v1/projections/${encodeURIComponent(name)}/rebuild`, { method: 'POST' })
    if (options.json) return printJson(answer)
    return print(`${name} is being rebuilt; follow it with: intendant projections ls`)
  }
  if (!allProjections.some((projection) => projection.name === name))
    throw new CommandFailed(
      'notFound',
      `there is no view "${name}"; the views are ${allProjections.map((one) => one.name).join(', ')}`,
    )
  const status = await offline(dataDir, 'projections rebuild', async (projections) => {
    await withBar(name, (progress) => projections.rebuild(name, progress))
    return (await projections.status()).find((one) => one.name === name)
  })
  if (options.json) printJson(status)
  else print(`${name} is ${status?.state} at ${status?.position}`)
  if (status?.state === 'faulted') throw new CommandFailed('failed', `${name}: ${status.fault?.message}`)
}

/** The bar shows on a terminal only; a script reads the outcome. */
async function withBar(name: string, work: (progress: (fraction: number) => void) => Promise<void>): Promise<void> {
  const bar = isTerminal()
    ? new SingleBar({ format: `${name} [{bar}] {percentage}%`, hideCursor: true, stream: process.stdout })
    : undefined
  bar?.start(1, 0)
  try {
    await work((fraction) => bar?.update(fraction))
    bar?.update(1)
  } catch (error) {
    throw new CommandFailed('failed', `${name} cannot be rebuilt: ${messageOf(error)}`)
  } finally {
    bar?.stop()
  }
}

const offline = <Result>(
  directory: string,
  purpose: string,
  use: (projections: Projections) => Promise<Result>,
): Promise<Result> =>
  withOfflineLog({ directory, purpose }, async (log) => {
    const logger = pino({ level: 'silent' })
    const views = dataDirectory(directory).views
    const projections = createProjections({ log, directory: views, projections: allProjections, clock: systemClock, logger })
    try {
      await projections.start()
      return await use(projections)
    } finally {
      await projections.stop()
    }
  })
