import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'

/** `complete bash|zsh|fish|powershell`: the script that teaches a shell the commands and options that the program has by now. */
export const completeCommand = (program: Command): void => {
  tab(program)
  program.commands
    .find((command) => command.name() === 'complete')
    ?.description('print the script that completes commands in a shell')
    .addHelpText('after', '\nExample:\n  source <(intendant complete bash)')
}
