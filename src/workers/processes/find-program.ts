import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { messageOf } from '../../lib/errors.ts'

/** The program cannot be executed; the message says why. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart'
}

/**
 * The file of a program: with a slash relative to `base`, without one looked up in `path`. Throws `CannotStart` where there is none that may
 * be executed.
 */
export const findProgram = async (
  program: string,
  { base, path }: { readonly base: string; readonly path: string },
): Promise<string> => {
  if (program.includes('/')) {
    const file = resolve(base, program)
    const fault = await faultOf(file)
    if (fault !== undefined) throw new CannotStart(`${program} cannot be executed: ${fault}`)
    return file
  }
  for (const folder of path.split(delimiter)) {
    const file = join(resolve(base, folder), program)
    if (folder !== '' && (await faultOf(file)) === undefined) return file
  }
  throw new CannotStart(`${program} is in no folder of PATH (${path})`)
}

const faultOf = async (file: string): Promise<string | undefined> => {
  try {
    if (!(await stat(file)).isFile()) return 'it is not a file'
    await access(file, constants.X_OK)
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'there is no such file'
    return code === 'EACCES' ? 'permission denied' : messageOf(error)
  }
}
