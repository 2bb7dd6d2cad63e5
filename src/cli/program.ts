import { Command, CommanderError } from 'commander'
import { messageOf } from '../lib/errors.ts'
import { auditCommand } from './audit.ts'
import { backupCommand } from './backup.ts'
import { credentialsCommand } from './credentials.ts'
import { eventsCommand } from './events.ts'
import { CommandFailed, exitCodes } from './exit.ts'
import { operationsCommand } from './operations.ts'
import { projectionsCommand } from './projections.ts'
import { restoreCommand } from './restore.ts'
import { serveCommand } from './serve.ts'
import { complain } from './terminal.ts'
import { version } from './version.ts'
import { workerCommand } from './worker.ts'

/** Runs one command line (without the program's own name) and answers with its exit code. */
export const run = async (words: readonly string[]): Promise<number> => {
  const program = new Command('intendant')
    .description('an event-sourced operations control plane')
    .version(version)
    .exitOverride()
  for (const add of commands) add(program)
  try {
    await program.parseAsync(words, { from: 'user' })
    return exitCodes.done
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    complain(`intendant: ${messageOf(error)}`)
    return error instanceof CommandFailed ? error.code : exitCodes.failed
  }
}

const commands = [
  serveCommand,
  workerCommand,
  operationsCommand,
  eventsCommand,
  projectionsCommand,
  auditCommand,
  credentialsCommand,
  backupCommand,
  restoreCommand,
]
