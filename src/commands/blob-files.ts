import { blobStream, isBlobId } from '../events/blob.ts'
import type { Uploads } from '../stores/blobs.ts'
import { blob } from './blob.ts'
import type { Executor } from './execute.ts'

/** Blobs for what names them in its input: read from the log, so that every node knows each one as soon as it is stored. */
export interface BlobFiles {
  has(id: string): Promise<boolean>
  /** Copies the content into a new file; false where there is no such blob (any more). What is done to the copy leaves the blob alone. */
  copyTo(id: string, file: string): Promise<boolean>
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
  return {
    has: async (id) => (await fileOf(id)) !== undefined,
    copyTo: async (id, file) => {
      const ref = await fileOf(id)
      return ref !== undefined && uploads.copyTo(ref, file)
    },
  }
}
