import { text as readAll } from 'node:stream/consumers'
import type { Command } from 'commander'
import { faces, unknownScope } from '../../app/faces.ts'
import { loadClientConfig } from '../../client-config.ts'
import { dataDirectory } from '../../data-directory.ts'
import { Unacceptable } from '../../lib/errors.ts'
import { type Credentials, openCredentials } from '../../stores/credentials/credentials.ts'
import { CommandFailed } from '../exit-codes.ts'
import { directoryOf, type OfflineOptions } from '../locked-data-directory.ts'
import { type JsonOption, several, withDataDir } from '../options.ts'
import { complain, print, printJson, printTable } from '../terminal.ts'

type Options = OfflineOptions & JsonOption & { readonly file?: string }

/** `credentials add|ls|rm`: works on the file, also while a server runs, which reads it again by itself. */
export const credentialsCommand = (program: Command): void => {
  const group = program.command('credentials').description('manage the credentials of the server')
  const withFile = (command: Command): Command =>
    withDataDir(command).option(
      '--file <path>',
      'the credentials file (CREDENTIALS_FILE; default credentials.json in the data directory)',
    )

  withFile(group.command('add <name>').description('create a credential; its token is printed once'))
    .requiredOption('--scope <scope...>', "such as v1:read, crawling:write or '*'", several)
    .option('--password-stdin', 'a user of HTTP Basic with the password from stdin, instead of a token')
    .action(add)

  withFile(group.command('ls').description('list the credentials')).action((options: Options) => {
    const items = open(options).list()
    if (options.json) return printJson({ items, next: null })
    printTable(
      ['name', 'kind', 'scopes'],
      items.map(({ name, kind, scopes }) => ({ name, kind, scopes: scopes.join(' ') })),
    )
  })

  withFile(group.command('rm <name>').description('remove a credential')).action((name: string, options: Options) => {
    if (!open(options).remove(name)) throw new CommandFailed('notFound', `there is no credential "${name}"`)
    if (options.json) return printJson({ removed: name })
    print(`${name} is removed`)
  })
}

const open = (options: Options): Credentials =>
  openCredentials(options.file ?? loadClientConfig().credentialsFile ?? dataDirectory(directoryOf(options)).credentials)

async function add(
  name: string,
  options: Options & { readonly scope: readonly string[]; readonly passwordStdin?: boolean },
): Promise<void> {
  const unknown = options.scope.map((scope) => unknownScope(faces, scope)).find((words) => words !== undefined)
  if (unknown !== undefined) throw new CommandFailed('usage', unknown)
  const password = options.passwordStdin ? (await readAll(process.stdin)).replace(/\r?\n$/, '') : undefined
  try {
    const { token } = await open(options).add({ name, scopes: options.scope, ...(password === undefined ? {} : { password }) })
    if (options.json) return printJson({ name, scopes: options.scope, token })
    if (token !== null) print(token)
    complain(
      token === null
        ? `${name} can log in with the password now`
        : 'Save this token: it is shown only once, and the server keeps only its hash.',
    )
  } catch (error) {
    if (error instanceof Unacceptable) throw new CommandFailed('usage', error.message)
    throw error
  }
}
