import type { Command } from 'commander'
import { loadConfig } from '../config.ts'
import { CommandFailed } from './exit.ts'
import { withJson } from './options.ts'

/** `worker`: a process that only works, beside others. It needs engines that several processes can share. */
export const workerCommand = (program: Command): void => {
  withJson(program.command('worker').description('work for a server elsewhere (needs the distributed engines)')).action(() => {
    loadConfig()
    throw new CommandFailed(
      'failed',
      'a separate worker needs the distributed engines (EventStoreDB and Kafka), which this version does not support yet. ' +
        'The embedded log has one writer: "intendant serve" works off its operations itself (WORKER_CONCURRENCY).',
    )
  })
}
