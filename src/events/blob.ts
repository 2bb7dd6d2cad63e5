import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'

/**
 * What became of an uploaded content, stream `blob-sha256-<hex>`; its bytes are a file. Source: native contract, section 15.
 * `file` is the reference of the file in the store of uploads: each upload has a file of its own.
 */
export const blobEvents = defineEvents('blob', {
  BlobStored: z.object({ size: z.number().int().min(0), contentType: z.string(), file: z.string() }),
  BlobDeleted: z.object({}),
})
export type BlobEvent = EventOf<typeof blobEvents>

export const blobPrefix = 'blob-'

/** The id of the blob with a content of this SHA-256, in lower-case hexadecimal digits. */
export const blobIdOf = (sha256: string): string => `sha256-${sha256}`

/** The stream of a blob is named by its id. */
export const blobStream = (id: string): string => `${blobPrefix}${id}`

export const isBlobId = (text: string): boolean => /^sha256-[0-9a-f]{64}$/.test(text)
