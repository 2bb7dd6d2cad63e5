import type { Command } from 'commander'
import { createClient } from '../http-client.ts'
import { type ServerCommandOptions, withServer } from '../options.ts'
import { print, printJson } from '../terminal.ts'

/** `robot god-token`: what operators hand to those who may see data and logs of services. */
export const robotCommand = (program: Command): void => {
  const group = program.command('robot').description('manage the robot')
  withServer(group.command('god-token').description('print the token that shows data and logs of services (ROBOT_GOD_MODE)'))
    .addHelpText('after', '\nExample:\n  intendant robot god-token')
    .action(godToken)
}

async function godToken(options: ServerCommandOptions): Promise<void> {
  const answer = await createClient(options).json('/v1/robot/god-token', { method: 'POST' })
  if (options.json) return printJson(answer)
  print(String(answer.token))
}
