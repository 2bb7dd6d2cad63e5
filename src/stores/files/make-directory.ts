import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

const ownerOnly = 0o700

/**
 * Makes a directory and what is missing above it, for the owner alone; true where something was made. Throws what the file system
 * throws, with the path. Each level is made by itself: `mkdir` with `recursive` never returns where a file system has no new
 * directories (`/proc`), because it takes their ENOENT for a missing parent.
 */
export const makeDirectory = (directory: string): boolean => {
  const missing: string[] = []
  for (let path = resolve(directory); !existsSync(path) && path !== dirname(path); path = dirname(path)) missing.unshift(path)
  for (const path of missing) makeOne(path)
  if (!statSync(directory).isDirectory()) throw new Error(`${directory} is not a directory`)
  return missing.length > 0
}

/** Throws if the path, or a part of it, exists and is not a directory. */
export const refuseNoDirectory = (directory: string): void => {
  let path = resolve(directory)
  while (!existsSync(path) && path !== dirname(path)) path = dirname(path)
  if (!statSync(path).isDirectory()) throw new Error(`the data directory ${directory} cannot be used: ${path} is not a directory`)
}

/** Throws if a folder of the data directory exists and is not a directory. */
export const refuseNoFolders = (folders: readonly string[]): void => {
  for (const folder of folders)
    if (existsSync(folder) && !statSync(folder).isDirectory())
      throw new Error(`${folder} is not a directory: move it away, and start again`)
}

const makeOne = (path: string): void => {
  try {
    mkdirSync(path, { mode: ownerOnly })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Another process was faster.
    if (code === 'EEXIST') return
    throw new Error(
      `the directory ${path} cannot be made: ${code === 'ENOENT' ? 'its file system does not allow new directories' : String(code)}`,
      {
        cause: error,
      },
    )
  }
}
