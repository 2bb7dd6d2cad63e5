import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { RobotFaceSettings } from '../../../commands/robot/settings.ts'
import type { Clock } from '../../../lib/clock.ts'
import { WorkFailed } from '../../work.ts'
import type { Git, GitContext } from './git.ts'
import { besides, removeLeftovers } from './leftovers.ts'

const branches = 'refs/remotes/origin/'
const tags = 'refs/tags/'
/** Between two looks at the size of a clone. */
const lookMs = 500

/** The clone of one repository, a bare one whose folder is named after its url. */
export interface Clone {
  readonly directory: string
  /** Clones the repository, or fetches what is new. A half clone is removed. */
  fetch(context: GitContext): Promise<void>
  /** Whether the repository was cloned, and still has the commit. */
  has(commit: string, context: GitContext): Promise<boolean>
  /** The commit of a branch, tag or commit; null asks for `master`, else for what the remote's HEAD names. Asks the remote for the latter alone. */
  resolve(revision: string | null, context: GitContext): Promise<{ readonly revision: string; readonly commit: string }>
}

export const createClone = ({
  git,
  key,
  remote,
  directory,
  settings: { maxCloneBytes },
  clock,
}: {
  readonly git: Git
  readonly key: string
  readonly remote: string
  readonly directory: string
  readonly settings: Pick<RobotFaceSettings, 'maxCloneBytes'>
  readonly clock: Clock
}): Clone => {
  const refspecs = [`+refs/heads/*:${branches}*`, `+${tags}*:${tags}*`]

  const fetchInto = async (folder: string, context: GitContext): Promise<void> => {
    const watch = watchSize(folder, { key, mostBytes: maxCloneBytes, clock, signal: context.signal })
    try {
      const limited = { ...context, signal: watch.signal }
      await git.overNetwork(
        ['-C', folder, 'fetch', '--quiet', '--prune', '--no-tags', '--no-write-fetch-head', '--', remote, ...refspecs],
        limited,
      )
      await watch.look()
      watch.signal.throwIfAborted()
    } finally {
      watch.end()
    }
  }

  const commitOf = async (name: string, context: GitContext): Promise<string | undefined> => {
    const args = ['-C', directory, 'rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`]
    const found = await git.run(args, context).catch((error: unknown) => {
      if (error instanceof WorkFailed && error.type === 'git-failed') return ''
      throw error
    })
    return found.trim() === '' ? undefined : found.trim()
  }

  const isThere = async (): Promise<boolean> => {
    try {
      return (await lstat(join(directory, 'HEAD'))).isFile()
    } catch {
      return false
    }
  }

  const headOfRemote = async (context: GitContext): Promise<string | undefined> => {
    const listed = await git.overNetwork(['ls-remote', '--symref', '--', remote, 'HEAD'], context)
    return /^ref: refs\/heads\/(\S+)\tHEAD$/m.exec(listed)?.[1]
  }

  return {
    directory,
    fetch: async (context) => {
      if (await isThere()) return fetchInto(directory, context)
      const half = besides(directory)
      await removeLeftovers(directory, clock.now())
      try {
        await mkdir(dirname(directory), { recursive: true, mode: 0o700 })
        await git.run(['init', '--quiet', '--bare', '--', half], context)
        await fetchInto(half, context)
        await rm(directory, { recursive: true, force: true })
        await rename(half, directory)
      } finally {
        await rm(half, { recursive: true, force: true })
      }
    },
    has: async (commit, context) => (await isThere()) && (await commitOf(commit, context)) !== undefined,
    resolve: async (revision, context) => {
      const named = revision ?? 'master'
      const isCommit = /^[0-9a-f]{7,64}$/.test(named)
      for (const name of [`${branches}${named}`, `${tags}${named}`, ...(isCommit ? [named] : [])]) {
        const commit = await commitOf(name, context)
        if (commit !== undefined) return { revision: named, commit }
      }
      const head = revision === null ? await headOfRemote(context) : undefined
      const commit = head === undefined ? undefined : await commitOf(`${branches}${head}`, context)
      if (head !== undefined && commit !== undefined) return { revision: head, commit }
      const what =
        revision === null ? 'neither a branch master nor a branch that its HEAD names' : `no branch, tag or commit ${named}`
      throw new WorkFailed('git-failed', `${key} has ${what}`, { retryable: false, details: { stackTrace: '' } })
    },
  }
}

/** Aborts its signal when a folder has grown too large; git has no limit of its own for what it fetches. */
const watchSize = (
  folder: string,
  {
    key,
    mostBytes,
    clock,
    signal,
  }: { readonly key: string; readonly mostBytes: number; readonly clock: Clock; readonly signal: AbortSignal },
) => {
  const over = new AbortController()
  let cancel: (() => void) | undefined
  let isOver = false
  const look = async (): Promise<void> => {
    if ((await sizeOf(folder)) > mostBytes)
      over.abort(new WorkFailed('repository-refused', `${key} has more than ${mostBytes} bytes`, { retryable: false }))
  }
  const again = (): void => {
    if (!isOver) cancel = clock.after(lookMs, () => void look().finally(again))
  }
  again()
  return {
    signal: AbortSignal.any([signal, over.signal]),
    look,
    end: () => {
      isOver = true
      cancel?.()
    },
  }
}

/** What goes while it is looked at counts nothing. */
const sizeOf = async (folder: string): Promise<number> => {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  let bytes = 0
  for (const entry of entries) {
    const path = join(folder, entry.name)
    bytes += entry.isDirectory() ? await sizeOf(path) : ((await lstat(path).catch(() => undefined))?.size ?? 0)
  }
  return bytes
}
