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

  withFile(group.command('add [name]').description('create a credential; its token is printed once'))
    .requiredOption('--scope <scope...>', "such as v1:read, crawling:write or '*'", several)
    .option('--password-stdin', 'a user of HTTP Basic with the password from stdin, instead of a token')
    .option(
      '--client-cn <name>',
      'a client whose certificate has this CN, instead of a token (TLS_CLIENT_CA_FILE); also its name where none is given',
    )
    .addHelpText('after', addExamples)
    .action(add)

  withFile(group.command('ls').description('list the credentials')).action((options: Options) => {
    const items = open(options).list()
    if (options.json) return printJson({ items, next: null })
    printTable(
      ['name', 'kind', 'scopes'],
      items.map(({ name, kind, clientCn, scopes }) => ({
        name,
        kind: clientCn === undefined ? kind : `${kind} ${clientCn}`,
        scopes: scopes.join(' '),
      })),
    )
  })

  withFile(group.command('rm <name>').description('remove a credential')).action((name: string, options: Options) => {
    const credentials = open(options)
    if (!credentials.remove(name)) throw new CommandFailed('notFound', `there is no credential "${name}"`)
    if (options.json) return printJson({ removed: name })
    print(`${name} is removed`)
    if (credentials.list().length === 0) complain(noneLeft(fileOf(options)))
  })
}

const fileOf = (options: Options): string =>
  options.file ?? loadClientConfig().credentialsFile ?? dataDirectory(directoryOf(options)).credentials

const open = (options: Options): Credentials => openCredentials(fileOf(options))

const noneLeft = (file: string): string =>
  `No credential is left: a running server refuses every request. To open it again, delete ${file} and restart the server.`

const addExamples = `
Examples:
  $ intendant credentials add ci --scope v1:write
  $ intendant credentials add agent-7 --scope v1:read --client-cn agent-7.example.com`

const saidOf = (
  name: string,
  { token, clientCn }: { readonly token: string | null; readonly clientCn: string | undefined },
): string => {
  if (clientCn !== undefined) return `${name} is let in by a client certificate with the CN ${clientCn} now`
  return token === null
    ? `${name} can log in with the password now`
    : 'Save this token: it is shown only once, and the server keeps only its hash.'
}

async function add(
  given: string | undefined,
  options: Options & { readonly scope: readonly string[]; readonly passwordStdin?: boolean; readonly clientCn?: string },
): Promise<void> {
  const { clientCn } = options
  const name = given ?? clientCn
  if (name === undefined)
    throw new CommandFailed('usage', 'a credential needs a name: intendant credentials add NAME --scope v1:read')
  const unknown = options.scope.map((scope) => unknownScope(faces, scope)).find((words) => words !== undefined)
  if (unknown !== undefined) throw new CommandFailed('usage', unknown)
  const password = options.passwordStdin ? (await readAll(process.stdin)).replace(/\r?\n$/, '') : undefined
  try {
    const { token } = await open(options).add({
      name,
      scopes: options.scope,
      ...(password === undefined ? {} : { password }),
      ...(clientCn === undefined ? {} : { clientCn }),
    })
    if (options.json) return printJson({ name, scopes: options.scope, token, ...(clientCn === undefined ? {} : { clientCn }) })
    if (token !== null) print(token)
    complain(saidOf(name, { token, clientCn }))
  } catch (error) {
    if (error instanceof Unacceptable) throw new CommandFailed('usage', error.message)
    throw error
  }
}
