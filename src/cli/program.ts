import { Command, CommanderError } from 'commander'
import { messageOf } from '../lib/errors.ts'
import { version } from '../lib/version.ts'
import { CommandFailed, exitCodes } from './exit-codes.ts'
import { complain } from './terminal.ts'

/** Runs one command line (without the program's own name) and answers with its exit code. */
export const run = async (words: readonly string[]): Promise<number> => {
  const program = new Command('intendant')
    .description('runs long operations and records everything that happens to them')
    .version(version)
    .exitOverride()
  for (const load of meant(words)) (await load())(program)
  try {
    await program.parseAsync(words, { from: 'user' })
    return exitCodes.done
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    complain(`intendant: ${messageOf(error)}`)
    return error instanceof CommandFailed ? error.code : exitCodes.failed
  }
}

/** Each command is a module of its own, loaded only when it is meant: starting the program is most of a short command's time. */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  serve: async () => (await import('./commands/serve.ts')).serveCommand,
  worker: async () => (await import('./commands/worker.ts')).workerCommand,
  operations: async () => (await import('./commands/operations.ts')).operationsCommand,
  kinds: async () => (await import('./commands/kinds.ts')).kindsCommand,
  events: async () => (await import('./commands/events.ts')).eventsCommand,
  why: async () => (await import('./commands/why.ts')).whyCommand,
  schedules: async () => (await import('./commands/schedules.ts')).schedulesCommand,
  limits: async () => (await import('./commands/limits.ts')).limitsCommand,
  projections: async () => (await import('./commands/projections.ts')).projectionsCommand,
  audit: async () => (await import('./commands/audit.ts')).auditCommand,
  blobs: async () => (await import('./commands/blobs.ts')).blobsCommand,
  webhooks: async () => (await import('./commands/webhooks.ts')).webhooksCommand,
  secrets: async () => (await import('./commands/secrets.ts')).secretsCommand,
  robot: async () => (await import('./commands/robot.ts')).robotCommand,
  credentials: async () => (await import('./commands/credentials.ts')).credentialsCommand,
  'dead-letters': async () => (await import('./commands/dead-letters.ts')).deadLettersCommand,
  backup: async () => (await import('./commands/backup.ts')).backupCommand,
  log: async () => (await import('./commands/log.ts')).logCommand,
  restore: async () => (await import('./commands/restore.ts')).restoreCommand,
  // Last: it offers those before it.
  complete: async () => (await import('./commands/complete.ts')).completeCommand,
}

/** The one that the words name; all of them for help, for completion and where the words name none. */
const meant = (words: readonly string[]) => {
  const name = words.find((word) => !word.startsWith('-'))
  const command = name !== undefined && name !== 'complete' && Object.hasOwn(commands, name) ? commands[name] : undefined
  return command === undefined ? Object.values(commands) : [command]
}
