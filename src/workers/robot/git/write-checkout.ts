import { chmod, lstat, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import type { Readable } from 'node:stream'
import type { RobotFaceSettings } from '../../../commands/robot/settings.ts'
import { WorkFailed } from '../../work.ts'
import type { Git, GitContext } from './git.ts'
import { besides, removeLeftovers } from './leftovers.ts'

type Bounds = Pick<RobotFaceSettings, 'maxFileBytes' | 'maxCheckoutBytes' | 'maxCheckoutFiles'>

/** A path of this length fits into what the system takes. */
const longestPath = 1_000
const submodule = '160000'

/**
 * Writes the files of a commit into a folder that is not there yet; it is there whole or not at all. Its files can be read alone. Submodules
 * stay empty folders: nothing is fetched from what they name. Throws `WorkFailed` `repository-refused` where a file is too large, files are too many,
 * or a symbolic link does not lead to a file of the same commit.
 */
export const writeCheckout = async ({
  git,
  clone,
  commit,
  directory,
  bounds,
  now,
  context,
}: {
  readonly git: Git
  readonly clone: string
  readonly commit: string
  readonly directory: string
  readonly bounds: Bounds
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly context: GitContext
}): Promise<void> => {
  await git.stream(['-C', clone, 'ls-tree', '-r', '-l', '-z', '--end-of-options', commit], context, (stream) =>
    checkEntries(stream, bounds),
  )
  const half = besides(directory)
  await removeLeftovers(directory, now)
  const index = `${half}.index`
  try {
    await mkdir(dirname(directory), { recursive: true, mode: 0o700 })
    await mkdir(half, { mode: 0o755 })
    const tree = ['-C', half, `--git-dir=${clone}`, `--work-tree=${half}`]
    await git.run([...tree, 'read-tree', commit], { ...context, index })
    await git.run([...tree, 'checkout-index', '--all', '--force', '--quiet'], { ...context, index })
    await settle(await realpath(half))
    await rename(half, directory).catch(async (error: unknown) => {
      // Another process that shares the folder was faster.
      if (
        !(await lstat(directory).then(
          (found) => found.isDirectory(),
          () => false,
        ))
      )
        throw error
    })
  } finally {
    await Promise.all([half, index].map((path) => rm(path, { recursive: true, force: true })))
  }
}

const refuse = (message: string): never => {
  throw new WorkFailed('repository-refused', message, { retryable: false })
}

/** Before a file is written: `git ls-tree -l -z` gives `<mode> <type> <object> <size>\t<path>`. */
const checkEntries = async (stream: Readable, { maxFileBytes, maxCheckoutBytes, maxCheckoutFiles }: Bounds): Promise<void> => {
  let files = 0
  let bytes = 0
  let rest = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream as AsyncIterable<string>) {
    const entries = `${rest}${chunk}`.split('\0')
    rest = entries.pop() ?? ''
    if (rest.length > longestPath * 2) refuse(`the repository has a path of more than ${longestPath} characters`)
    for (const entry of entries) {
      const [, mode, size = '', path = ''] = /^(\d+) \w+ \w+ +(\d+|-)\t(.*)$/s.exec(entry) ?? []
      const own = mode === submodule ? 0 : Number(size)
      files += 1
      bytes += own
      if (path.length > longestPath) refuse(`the repository has a path of more than ${longestPath} characters`)
      if (own > maxFileBytes) refuse(`${path} has ${own} bytes; at most ${maxFileBytes} are taken`)
      if (files > maxCheckoutFiles) refuse(`the repository has more than ${maxCheckoutFiles} files`)
      if (bytes > maxCheckoutBytes) refuse(`the files of the repository have more than ${maxCheckoutBytes} bytes`)
    }
  }
}

/** Looks at every symbolic link, and takes the right to write from files. */
const settle = async (root: string, folder = root): Promise<void> => {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await settle(root, path)
    else if (entry.isSymbolicLink()) await checkLink(root, path)
    else await chmod(path, (await lstat(path)).mode & 0o555)
  }
}

const checkLink = async (root: string, path: string): Promise<void> => {
  const target = await realpath(path).catch(() => undefined)
  if (target === undefined || (target !== root && !target.startsWith(`${root}${sep}`)))
    refuse(`the symbolic link ${relative(root, path)} does not lead to a file of the repository`)
}
