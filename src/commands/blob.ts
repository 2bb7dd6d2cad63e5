import { type BlobEvent, blobStream } from '../events/blob.ts'
import { type Decider, nothing, refuse } from './decider.ts'

export type BlobCommand = { readonly id: string } & (
  | {
      readonly type: 'StoreBlob'
      readonly size: number
      readonly contentType: string
      readonly file: string
      /** The file of the blob as it is stored is gone or damaged: this one takes its place. */
      readonly mends?: boolean
    }
  | { readonly type: 'DeleteBlob' }
)

export type BlobState =
  | { readonly status: 'absent' }
  | { readonly status: 'stored'; readonly size: number; readonly contentType: string; readonly file: string }

type BlobRefusal = { readonly reason: 'unknown-blob' }

/** One uploaded content. The same content again changes nothing: the first file and its type stay. */
export const blob: Decider<BlobCommand, BlobEvent, BlobState, BlobRefusal> = {
  category: 'blob',
  streamOf: ({ id }) => blobStream(id),
  initial: { status: 'absent' },
  evolve: (_state, event) => (event.type === 'BlobStored' ? { status: 'stored', ...event.data } : { status: 'absent' }),
  memory: 'last',
  decide: (command, state) => {
    switch (command.type) {
      case 'StoreBlob': {
        const { size, contentType, file, mends = false } = command
        if (state.status === 'stored' && !mends) return nothing
        return { events: [{ type: 'BlobStored', data: { size, contentType, file } }] }
      }
      case 'DeleteBlob':
        return state.status === 'stored' ? { events: [{ type: 'BlobDeleted', data: {} }] } : refuse({ reason: 'unknown-blob' })
    }
  },
}
