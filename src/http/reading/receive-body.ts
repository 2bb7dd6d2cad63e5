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
  const { ref, bytes, sha256 } = await uploads.receive(bodyStream(c, maxBytes))
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
