import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { RobotFaceSettings } from '../../../commands/robot/settings.ts'
import type { TemplateRepository } from '../../../commands/robot/template.ts'
import { messageOf } from '../../../lib/errors.ts'
import { randomHex } from '../../../lib/ids.ts'
import type { ProxyAddress } from '../../../lib/proxy-settings.ts'
import { createTargets } from '../../outbound/address-guard.ts'
import { CannotStart } from '../../processes/find-program.ts'
import type { Processes } from '../../processes/processes.ts'
import { WorkFailed } from '../../work.ts'

/** The user info of a repository in clear, and the end of what git does. */
export interface GitContext {
  readonly signal: AbortSignal
  readonly userInfo: string | null
  /** The index file that git uses in place of the repository's. */
  readonly index?: string
}

/** Runs the system's git on one repository. Every failure is a `WorkFailed`: `git-missing`, `git-failed` or `repository-refused`. */
export interface Git {
  /** What it writes to its standard output. */
  run(args: readonly string[], context: GitContext): Promise<string>
  /** The same, read while it comes; what `take` throws ends git and is thrown. */
  stream(args: readonly string[], context: GitContext, take: (stream: Readable) => Promise<void>): Promise<void>
  /** The same for a command that speaks with the remote. */
  overNetwork(args: readonly string[], context: GitContext): Promise<string>
}

const mostOutputBytes = 64 * 1024 * 1024
const mostErrorBytes = 64 * 1024
/** A remote that sends less than a byte a second for this long is given up. */
const silenceS = 60

/**
 * What no configuration of the machine, of a user or of the repository may change: no hooks, no submodules, no helper programs, no housekeeping in
 * the background, and no transport that runs a command or reads this machine's files.
 */
const safe = [
  ...['core.hooksPath=/dev/null', 'core.fsmonitor=false', 'core.askPass=', 'credential.helper=', 'init.templateDir='],
  ...['submodule.recurse=false', 'fetch.recurseSubmodules=false', 'gc.auto=0', 'maintenance.auto=false', 'safe.directory=*'],
  ...['protocol.allow=never', 'protocol.http.allow=always', 'protocol.https.allow=always', 'protocol.ssh.allow=always'],
  ...['http.lowSpeedLimit=1', `http.lowSpeedTime=${silenceS}`, 'core.quotePath=false'],
  // The memory and the processor time that a hostile pack can cost.
  ...['pack.threads=1', 'core.bigFileThreshold=16m'],
].flatMap((setting) => ['-c', setting])

const environment = {
  GIT_ALLOW_PROTOCOL: 'http:https:ssh',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_LFS_SKIP_SMUDGE: '1',
  SSH_ASKPASS_REQUIRE: 'never',
}

/** Source: robot contract, section 7. */
export const createGit = (
  { key, remote, host }: TemplateRepository,
  { processes, settings }: { readonly processes: Processes; readonly settings: RobotFaceSettings },
): Git => {
  const isHttp = /^https?:/i.test(remote)
  const targets = createTargets({ allowLinkLocal: false, allowPrivate: settings.allowPrivate })

  const failure = (what: string, stderr: string): WorkFailed =>
    new WorkFailed('git-failed', what, { retryable: false, details: { stackTrace: stderr } })

  const run = async (
    args: readonly string[],
    { signal, userInfo, index }: GitContext,
    take: (stream: Readable) => Promise<void>,
    variables: Readonly<Record<string, string>> = {},
  ): Promise<void> => {
    let stderr = ''
    const end = await processes
      .run({
        name: `git-${randomHex(24)}`,
        argv: ['git', ...safe, ...args],
        base: '/',
        environment: { ...environment, ...variables, ...(index === undefined ? {} : { GIT_INDEX_FILE: index }) },
        signal,
        timeoutMs: settings.gitTimeoutMs,
        stdout: take,
        stderr: async (stream) => {
          for await (const chunk of stream) stderr = `${stderr}${String(chunk)}`.slice(-mostErrorBytes)
        },
      })
      .catch((error: unknown) => {
        if (error instanceof CannotStart) throw new WorkFailed('git-missing', 'git is not installed', { retryable: false })
        throw error
      })
    if (end.isTimedOut)
      throw failure(`git took more than ${settings.gitTimeoutMs / 1000} s for ${key}`, withoutSecrets(stderr, userInfo))
    if (end.code !== 0) throw failure(`git failed for ${key}`, withoutSecrets(stderr, userInfo))
  }

  const collect = async (args: readonly string[], context: GitContext, variables?: Readonly<Record<string, string>>) => {
    let output = ''
    let bytes = 0
    await run(
      args,
      context,
      async (stream) => {
        stream.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > mostOutputBytes) stream.destroy(failure(`git says too much of ${key}`, ''))
        })
        output = await text(stream)
      },
      variables,
    )
    return output
  }

  /** The addresses of the host that may be reached, so that git goes to none but these; none where the host is an address itself. */
  const pinned = async (): Promise<readonly string[]> => {
    const literal = host.replace(/^\[|\]$/g, '')
    const found = isIP(literal) === 0 ? await addressesOf(literal) : [literal]
    const refusals = found.map((address) => targets.refusal(address))
    const allowed = found.filter((_address, index) => refusals[index] === null)
    if (allowed.length === 0 && found.length > 0)
      throw new WorkFailed('repository-refused', `${key} may not be reached: ${refusals[0]}`, { retryable: false })
    return isIP(literal) === 0 ? allowed : []
  }

  const addressesOf = async (name: string): Promise<readonly string[]> => {
    const found = await lookup(name, { all: true }).catch((error: unknown) => {
      // git says it in its own words.
      if (settings.allowPrivate) return []
      throw failure(`the host of ${key} is not known`, messageOf(error))
    })
    return found.map(({ address }) => address)
  }

  const overNetwork: Git['overNetwork'] = async (args, context) => {
    const url = isHttp ? new URL(remote) : undefined
    const proxy = url && settings.proxyFor(url)
    // A proxy looks names up by itself: what can be known here is checked, and nothing is pinned.
    const isPinned = proxy === undefined && (isHttp || !settings.allowPrivate)
    const addresses = isPinned ? await pinned() : []
    if (proxy !== undefined) await checked(() => targets.checkForProxy(host))
    const config: [string, string][] = []
    let ssh = settings.sshCommand ?? 'ssh -oBatchMode=yes -oStrictHostKeyChecking=accept-new -oConnectTimeout=30'
    if (url !== undefined) {
      // An empty value turns off what the environment or the configuration says.
      config.push(['http.proxy', proxy === undefined ? '' : withLogin(proxy)])
      // Where private addresses are refused a redirect must not lead to one.
      config.push(['http.followRedirects', settings.allowPrivate ? 'initial' : 'false'])
      const port = url.port || (url.protocol === 'https:' ? '443' : '80')
      if (addresses.length > 0)
        config.push(['http.curloptResolve', `${url.hostname}:${port}:${addresses.map(bracketed).join(',')}`])
      if (context.userInfo !== null)
        config.push([`http.${url.origin}/.extraHeader`, `Authorization: Basic ${basic(context.userInfo)}`])
    } else if (addresses[0] !== undefined) ssh += ` -oHostName=${addresses[0]} -oHostKeyAlias=${host}`
    return collect(args, context, { ...configuration(config), GIT_SSH_COMMAND: ssh, ...settings.sshAgent })
  }

  const checked = async (check: () => Promise<void>): Promise<void> =>
    check().catch((error: unknown) => {
      throw new WorkFailed('repository-refused', `${key} may not be reached: ${messageOf(error)}`, { retryable: false })
    })

  return {
    run: (args, context) => collect(args, context),
    stream: (args, context, take) => run(args, context, take),
    overNetwork,
  }
}

/** As variables and not as arguments, which other users of the machine can read. */
const configuration = (settings: readonly (readonly [string, string])[]): Record<string, string> =>
  Object.fromEntries([
    ['GIT_CONFIG_COUNT', String(settings.length)],
    ...settings.flatMap(([name, value], index) => [
      [`GIT_CONFIG_KEY_${index}`, name],
      [`GIT_CONFIG_VALUE_${index}`, value],
    ]),
  ])

const bracketed = (address: string): string => (isIP(address) === 6 ? `[${address}]` : address)

const withLogin = ({ origin, authorization }: ProxyAddress): string => {
  if (authorization === undefined) return origin
  const [user = '', ...password] = Buffer.from(authorization.slice('Basic '.length), 'base64').toString().split(':')
  return origin.replace('://', `://${encodeURIComponent(user)}:${encodeURIComponent(password.join(':'))}@`)
}

const basic = (userInfo: string): string => {
  const [user = '', ...password] = userInfo.split(':')
  return Buffer.from(`${decoded(user)}:${decoded(password.join(':'))}`).toString('base64')
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Every way in which the user info can be spelled. */
const withoutSecrets = (stderr: string, userInfo: string | null): string => {
  if (userInfo === null) return stderr
  const [user = '', ...rest] = userInfo.split(':')
  const password = rest.length === 0 ? user : rest.join(':')
  const texts = [userInfo, basic(userInfo), password, decoded(password)].filter((secret) => secret.length > 2)
  return texts.reduce((masked, secret) => masked.replaceAll(secret, '***'), stderr)
}
