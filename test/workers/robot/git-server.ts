import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, normalize } from 'node:path'

/** The content of a file; a program where it begins with `#!`. */
export type Files = Readonly<Record<string, string | { readonly link: string }>>

/** A repository with a work tree, served as a bare one over plain ("dumb") HTTP. */
export interface TestRepository {
  /** `http://127.0.0.1:<port>/<account>/<name>.git` */
  readonly url: string
  /** Writes files (all of `files` and no others), commits and publishes them; answers the commit. */
  commit(files: Files, options?: { readonly branch?: string; readonly tag?: string }): string
  /** Runs git in the work tree, and publishes what it did. */
  git(...args: readonly string[]): string
  readonly workTree: string
}

export interface GitServer {
  readonly port: number
  readonly directory: string
  /** A repository of which nothing is committed yet; its first branch is `master`. */
  repository(name: string, options?: { readonly branch?: string }): TestRepository
  /** Every request that came. */
  readonly requests: { readonly url: string; readonly authorization: string | undefined }[]
  /** Lets requests wait for what it returns, before they are answered. */
  before: (request: IncomingMessage) => Promise<void> | void
  /** `user:password` that requests need. */
  login: string | undefined
  stop(): Promise<void>
}

const environment = {
  PATH: process.env.PATH ?? '',
  HOME: tmpdir(),
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  ...Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap((who) => [
      [`GIT_${who}_NAME`, 'Test'],
      [`GIT_${who}_EMAIL`, 'test@example.org'],
    ]),
  ),
}

/** A "dumb" HTTP server of real git repositories. */
export const startGitServer = async (): Promise<GitServer> => {
  const directory = mkdtempSync(join(tmpdir(), 'intendant-git-'))
  const gitIn = (folder: string, args: readonly string[]): string =>
    execFileSync('git', ['-C', folder, '-c', 'protocol.file.allow=always', ...args], {
      env: environment,
      encoding: 'utf8',
      stdio: 'pipe',
    })

  const server = createServer(async (request, response) => {
    const { url = '', headers } = request
    state.requests.push({ url, authorization: headers.authorization })
    await state.before(request)
    if (state.login !== undefined && headers.authorization !== `Basic ${Buffer.from(state.login).toString('base64')}`)
      return response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="git"' }).end()
    const path = normalize(new URL(url, 'http://host').pathname)
    readFile(join(directory, 'bare', path)).then(
      (content) => response.writeHead(200).end(content),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo

  const repository: GitServer['repository'] = (name, { branch = 'master' } = {}) => {
    const workTree = join(directory, 'work', name)
    const bare = join(directory, 'bare', 'acme', `${name}.git`)
    for (const folder of [workTree, bare]) mkdirSync(folder, { recursive: true })
    gitIn(workTree, ['init', '--quiet', `--initial-branch=${branch}`])
    gitIn(bare, ['init', '--quiet', '--bare', `--initial-branch=${branch}`])
    const publish = (): void => {
      gitIn(workTree, ['push', '--quiet', '--force', '--prune', bare, '+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'])
      gitIn(bare, ['update-server-info'])
    }
    return {
      url: `http://127.0.0.1:${port}/acme/${name}.git`,
      workTree,
      commit: (files, { branch: on, tag } = {}) => {
        if (on !== undefined) gitIn(workTree, ['checkout', '--quiet', '-B', on])
        for (const entry of gitIn(workTree, ['ls-files', '-z']).split('\0').filter(Boolean))
          rmSync(join(workTree, entry), { force: true })
        for (const [path, content] of Object.entries(files)) {
          const file = join(workTree, path)
          mkdirSync(dirname(file), { recursive: true })
          if (typeof content !== 'string') symlinkSync(content.link, file)
          else {
            writeFileSync(file, content)
            if (content.startsWith('#!')) chmodSync(file, 0o755)
          }
        }
        gitIn(workTree, ['add', '--all', '--force'])
        gitIn(workTree, ['commit', '--quiet', '--allow-empty', '--message', 'Change'])
        if (tag !== undefined) gitIn(workTree, ['tag', '--force', tag])
        publish()
        return gitIn(workTree, ['rev-parse', 'HEAD']).trim()
      },
      git: (...args) => {
        const output = gitIn(workTree, args)
        publish()
        return output
      },
    }
  }

  const state: GitServer = {
    port,
    directory,
    repository,
    requests: [],
    before: () => undefined,
    login: undefined,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return state
}

/** A template's files: its manifest, and others of its folder. */
export const template = (name: string, manifest: Readonly<Record<string, unknown>>, files: Files = {}): Files => ({
  [`templates/${name}/template.json`]: JSON.stringify({ version: '0.0.1', actions: {}, ...manifest }),
  ...Object.fromEntries(Object.entries(files).map(([path, content]) => [`templates/${name}/${path}`, content])),
})
