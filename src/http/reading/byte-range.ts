import type { ByteRange } from '../../stores/blobs.ts'

/** The one range that is understood: `bytes=first-last`, `bytes=first-`, `bytes=-length`. */
const form = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/i

/**
 * The part that `Range` asks for (RFC 9110, section 14). Undefined for the whole: there is no header, or one that may be ignored, such as
 * several ranges. `unsatisfiable`: the content has no such bytes.
 */
export const rangeOf = (header: string | undefined, bytes: number): ByteRange | 'unsatisfiable' | undefined => {
  const [match, from, to = '', length] = form.exec(header?.trim() ?? '') ?? []
  if (match === undefined) return undefined
  if (length !== undefined) {
    const wanted = Math.min(Number(length), bytes)
    return wanted === 0 ? 'unsatisfiable' : { first: bytes - wanted, last: bytes - 1 }
  }
  const first = Number(from)
  if (to !== '' && Number(to) < first) return undefined
  if (first >= bytes) return 'unsatisfiable'
  return { first, last: to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1) }
}
