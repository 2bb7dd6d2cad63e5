import { blobStream, isBlobId } from '../events/blob.ts'
import { createSharedLock } from '../lib/shared-lock.ts'
import type { Uploads } from '../stores/blobs.ts'
import { blob } from './blob.ts'
import type { Executor } from './execute.ts'

/** Blobs for what names them in its input: read from the log, so that every node knows each one as soon as it is stored. */
export interface BlobFiles {
  has(id: string): Promise<boolean>
  /** Copies the content into a new file; false where there is no such blob (any more). What is done to the copy leaves the blob alone. */
  copyTo(id: string, file: string): Promise<boolean>
  /** Runs what asks whether blobs are there and records that they are used; this node deletes none meanwhile. */
  using<Result>(work: () => Promise<Result>): Promise<Result>
  /** Runs what asks whether a blob is used and records its deletion; this node records no use meanwhile. */
  removing<Result>(work: () => Promise<Result>): Promise<Result>
}

export const createBlobFiles = ({
  executor,
  uploads,
}: {
  readonly executor: Pick<Executor, 'load'>
  readonly uploads: Pick<Uploads, 'copyTo'>
}): BlobFiles => {
  const fileOf = async (id: string): Promise<string | undefined> => {
    if (!isBlobId(id)) return undefined
    const { state } = await executor.load(blob, blobStream(id))
    return state.status === 'stored' ? state.file : undefined
  }
  const uses = createSharedLock()
  return {
    using: uses.shared,
    removing: uses.alone,
    has: async (id) => (await fileOf(id)) !== undefined,
    copyTo: async (id, file) => {
      const ref = await fileOf(id)
      return ref !== undefined && uploads.copyTo(ref, file)
    },
  }
}
