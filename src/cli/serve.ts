import { type Command, Option } from 'commander'
import { type App, buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { systemClock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { CommandFailed } from './exit.ts'
import { withJson } from './options.ts'
import { print, printJson } from './terminal.ts'
import { version } from './version.ts'

interface ServeOptions {
  readonly host?: string
  readonly port?: string
  readonly dataDir?: string
  readonly json?: boolean
}

/** `serve`: the server and its workers in one process; ends with 0 after SIGTERM or SIGINT. */
export const serveCommand = (program: Command): void => {
  withJson(program.command('serve').description('run the server; every setting is an environment variable, see README'))
    .addOption(new Option('--host <address>', 'HOST'))
    .addOption(new Option('--port <port>', 'PORT'))
    .addOption(new Option('--data-dir <directory>', 'DATA_DIR'))
    .action(serve)
}

async function serve(options: ServeOptions): Promise<void> {
  const given = { HOST: options.host, PORT: options.port, DATA_DIR: options.dataDir }
  const app = await failing(() => buildApp(loadConfig(undefined, given), { version }))
  const ended = untilSignalled(app)
  await failing(() => app.start())
  if (app.ports.health.state() === 'ready') announce(app, options)
  await ended
}

/** What keeps a server from starting is told in one sentence, without a stack. */
async function failing<Result>(step: () => Promise<Result>): Promise<Result> {
  try {
    return await step()
  } catch (error) {
    throw new CommandFailed('failed', messageOf(error))
  }
}

function announce(app: App, { json }: ServeOptions): void {
  const url = app.url()
  if (json) {
    printJson({ url })
    return
  }
  print(`Intendant ${version} is ready on ${url} (documents at ${url}/docs). Try:`)
  print(`  curl ${url}/readyz`)
  print(
    `  curl -H 'Content-Type: application/json' -H 'Prefer: wait=5' -d '{"kind":"probe","input":{"echo":"hello"}}' ${url}/v1/operations`,
  )
  print(`  curl '${url}/v1/events?limit=5&order=desc'`)
}

const signals = ['SIGTERM', 'SIGINT'] as const
const signalNumbers = { SIGTERM: 15, SIGINT: 2 }
/**
 * Ctrl-C and service managers signal the whole process group, and npm forwards what it got once more: what comes twice within this
 * time was sent once.
 */
const sameSignalMs = 150

/** The first signal stops in good order, also while the views still catch up; the second one ends the process at once. */
function untilSignalled(app: App): Promise<void> {
  return new Promise((resolve, reject) => {
    let firstAt: number | undefined
    for (const signal of signals) {
      process.on(signal, () => {
        const now = systemClock.now()
        if (firstAt === undefined) {
          firstAt = now
          app.stop().then(resolve, reject)
        } else if (now - firstAt > sameSignalMs) process.exit(128 + signalNumbers[signal])
      })
    }
  })
}
