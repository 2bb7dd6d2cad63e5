import { type Command, Option } from 'commander'
import type { App } from '../../app/server.ts'
import { buildApp } from '../../app.ts'
import { version } from '../../lib/version.ts'
import { withJson } from '../options.ts'
import { runUntilSignalled, settingsOf } from '../run-until-signal.ts'
import { print, printJson } from '../terminal.ts'

interface ServeOptions {
  readonly host?: string
  readonly port?: string
  readonly dataDir?: string
  readonly workers: boolean
  readonly acceptLoss?: boolean
  readonly json?: boolean
}

/** `serve`: the server and, unless told otherwise, workers in one process; ends with 0 after SIGTERM or SIGINT. */
export const serveCommand = (program: Command): void => {
  withJson(program.command('serve').description('run the server; for the settings see docs/configuration.md'))
    .addOption(new Option('--host <address>', 'address to listen on (HOST)'))
    .addOption(new Option('--port <port>', 'port to listen on (PORT)'))
    .addOption(new Option('--data-dir <directory>', 'the data directory (DATA_DIR)'))
    .addOption(new Option('--no-workers', 'run no work: leave it to "intendant worker" processes on the same engines'))
    .option('--accept-loss', 'start even if events or keys are missing from the data directory')
    .action(serve)
}

async function serve(options: ServeOptions): Promise<void> {
  const given = { HOST: options.host, PORT: options.port, DATA_DIR: options.dataDir }
  const config = settingsOf({ above: given })
  await runUntilSignalled(
    () =>
      buildApp(config, {
        version,
        takesWork: options.workers,
        acceptLoss: options.acceptLoss ?? false,
      }),
    (app) => {
      if (app.ports.health.state() === 'ready') announce(app, options)
    },
  )
}

function announce(app: App, { json }: ServeOptions): void {
  const url = app.url()
  const tlsUrl = app.tlsUrl()
  if (json) printJson(tlsUrl === undefined ? { url } : { url, tlsUrl })
  else for (const line of hints(url, { tlsUrl, needsToken: app.ports.credentials.configured() })) print(line)
}

/** What a person can paste next; as it stands, but for the token, which is kept nowhere. */
export const hints = (
  url: string,
  { tlsUrl = url, needsToken }: { readonly tlsUrl?: string | undefined; readonly needsToken: boolean },
): readonly string[] => {
  const also = tlsUrl === url ? '' : ` and ${tlsUrl}`
  const curl = needsToken ? 'curl -H "Authorization: Bearer $TOKEN"' : 'curl'
  return [
    `Intendant ${version} is ready on ${url}${also} (API documentation at ${url}/docs). Try${needsToken ? ' (TOKEN is what "intendant credentials add" printed)' : ''}:`,
    `  curl ${url}/readyz`,
    `  ${curl} -H 'Content-Type: application/json' -H 'Prefer: wait=5' -d '{"kind":"probe","input":{"echo":"hello"}}' ${url}/v1/operations`,
    `  ${curl} '${url}/v1/events?limit=5&order=desc'`,
  ]
}
