import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { newId } from '../../lib/ids.ts'
import { makeDirectory } from './make-directory.ts'

export interface DurableFileOptions {
  /** Permission bits of the new file. */
  readonly mode: number
  /** Whether a file of that name gives way; otherwise the call throws `EEXIST` and leaves it alone. Default true. */
  readonly replace?: boolean
}

/**
 * Writes a small file so that after any crash its name leads to the old content or to the new one, never to a part of it;
 * on disk when it returns. Throws what the file system throws.
 */
export const writeDurably = (file: string, content: string | Uint8Array, { mode, replace = true }: DurableFileOptions): void => {
  const directory = dirname(file)
  makeDirectory(directory)
  const temporary = `${file}.${newId()}.tmp`
  try {
    const handle = openSync(temporary, 'wx', mode)
    try {
      writeFileSync(handle, content)
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    if (replace) renameSync(temporary, file)
    // Unlike a rename, a link fails where the name is taken, even when another process took it just now.
    else linkSync(temporary, file)
  } finally {
    rmSync(temporary, { force: true })
  }
  syncDirectory(directory)
}

/** Makes the names in a directory durable: a file's own flush does not cover its name. */
const syncDirectory = (directory: string): void => {
  const handle = openSync(directory, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
