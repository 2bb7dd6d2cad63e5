import { type Command, Option } from 'commander'
import { buildWorker } from '../../app/worker.ts'
import { messageOf } from '../../lib/errors.ts'
import { version } from '../../lib/version.ts'
import { parseKindPatterns } from '../../workers/engine/kind-patterns.ts'
import { CommandFailed } from '../exit-codes.ts'
import { withJson } from '../options.ts'
import { runUntilSignalled, settingsOf } from '../run-until-signal.ts'
import { print, printJson } from '../terminal.ts'

interface WorkerOptions {
  readonly kinds: string
  readonly host?: string
  readonly port?: string
  readonly dataDir?: string
  readonly acceptLoss?: boolean
  readonly json?: boolean
}

/** `worker`: a process that only works, beside others on the same EventStoreDB and Kafka; ends with 0 after SIGTERM or SIGINT. */
export const workerCommand = (program: Command): void => {
  withJson(program.command('worker').description('run work for servers on the same EventStoreDB and Kafka'))
    .addOption(new Option('--kinds <kinds>', "kinds of work to run, such as 'crawling.*,probe'").default('*'))
    .addOption(new Option('--host <address>', 'address for /livez, /readyz and /metrics (HOST)'))
    .addOption(new Option('--port <port>', 'port for them (PORT; default: a free port)'))
    .addOption(new Option('--data-dir <directory>', 'the data directory (DATA_DIR); each process needs its own'))
    .option('--accept-loss', 'start even if events are missing from the data directory')
    .action(work)
}

async function work({ kinds, json, acceptLoss = false, ...options }: WorkerOptions): Promise<void> {
  const given = { HOST: options.host, PORT: options.port, DATA_DIR: options.dataDir }
  const patterns = patternsOf(kinds)
  // Beside a server on the same machine, the server's port is taken.
  const config = settingsOf({ above: given, below: { PORT: '0' } })
  await runUntilSignalled(
    () => buildWorker(config, { version, patterns, acceptLoss }),
    (app) => {
      if (app.state() !== 'ready') return
      if (json) return printJson({ url: app.url(), kinds: app.kinds })
      print(`Intendant ${version} runs work of the kinds ${app.kinds.join(', ')}. Its status is at ${app.url()}/readyz`)
    },
  )
}

function patternsOf(kinds: string) {
  try {
    return parseKindPatterns(kinds)
  } catch (error) {
    throw new CommandFailed('usage', messageOf(error))
  }
}
