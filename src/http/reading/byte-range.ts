import type { ByteRange } from '../../stores/blobs.ts'

/** The one range that is understood: `bytes=first-last`, `bytes=first-`, `bytes=-length`. */
const form = /^bytes=(?:(\d+)-(\d*)|-(\d+))$/i

/**
 * The part that `Range` asks for (RFC 9110, section 14). Undefined for the whole: there is no header, or one that may be ignored, such as
 * several ranges. `unsatisfiable`: the content has no such bytes.
 */
export const rangeOf = (header: string | undefined, bytes: number): ByteRange | 'unsatisfiable' | undefined => {
  const [match, from, to = '', length] = form.exec(header?.trim() ?? '') ?? []
  if (match === undefined) return undefined
  if (length !== undefined) {
    if (Number(length) === 0) return 'unsatisfiable'
    // The last bytes of nothing are the whole, which no part can say.
    return bytes === 0 ? undefined : { first: Math.max(0, bytes - Number(length)), last: bytes - 1 }
  }
  const first = Number(from)
  if (to !== '' && Number(to) < first) return undefined
  if (first >= bytes) return 'unsatisfiable'
  return { first, last: to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1) }
}
