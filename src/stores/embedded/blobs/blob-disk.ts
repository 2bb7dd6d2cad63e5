import { open } from 'node:fs/promises'
import { messageOf, Unavailable } from '../../../lib/errors.ts'
import { isObject } from '../../../lib/json.ts'

/** Every failure of the disk is `Unavailable`. */
export const guarded = async <Result>(work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work()
  } catch (error) {
    throw error instanceof Unavailable ? error : new Unavailable(`the blob store failed: ${messageOf(error)}`)
  }
}

/** Undefined where there is no such file. */
export const orMissing = async <Result>(result: Promise<Result>): Promise<Result | undefined> => {
  try {
    return await result
  } catch (error) {
    if (isObject(error) && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Makes the names in a directory durable: a file's own flush does not cover its name. */
export const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
