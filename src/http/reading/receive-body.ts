import type { Uploads } from '../../stores/blobs.ts'
import { headerOf } from '../faces/arrival.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { ReceivedBody } from '../faces/received-body.ts'
import { Problem } from '../replies/problem.ts'
import { refuseEncodings } from './body.ts'
import { bodyStream } from './body-stream.ts'
import { expectedDigest } from './repr-digest.ts'

/**
 * Takes the body of a request, of any type, into a store of uploads. Throws the problems of `bodyStream`, `unsupported-media-type` (it has a
 * `Content-Encoding`) and `digest-mismatch` (`Repr-Digest` names other bytes); then nothing is kept.
 */
export const receiveBody = async (c: HttpContext, uploads: Uploads, maxBytes: number): Promise<ReceivedBody> => {
  refuseEncodings(c)
  const expected = expectedDigest(headerOf(c, 'repr-digest'))
  const { ref, bytes, sha256 } = await uploads.receive(givingBack(c, bodyStream(c, maxBytes)))
  let isTaken = false
  const discard = async (): Promise<void> => {
    if (isTaken) return
    isTaken = true
    await uploads.settle(ref, 'removed')
  }
  if (expected !== undefined && expected !== sha256) {
    await discard()
    throw new Problem('digest-mismatch', 'Repr-Digest names other bytes than the body has', { expected, actual: sha256 })
  }
  return {
    ref,
    bytes,
    sha256,
    take: () => {
      isTaken = true
    },
    discard,
  }
}

/**
 * Gives the memory of each piece back when the next one is asked for: the garbage collector lets 64 MiB and more gather first (1 GiB raised the
 * resident memory by 80 MiB; now by 30). For readers that have finished with a piece by then.
 */
async function* givingBack({ incoming }: HttpContext, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    yield piece
    const { buffer } = piece
    const isItsOwn = incoming !== undefined && buffer instanceof ArrayBuffer && buffer.byteLength === piece.byteLength
    if (isItsOwn) buffer.transfer(0)
  }
}
