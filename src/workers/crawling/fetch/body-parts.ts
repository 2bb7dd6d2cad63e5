import { RequestFailed } from '../../outbound/request-failure.ts'

/** A body as it comes in. */
export interface BodyParts {
  readonly bytes: () => number
  /** Throws `RequestFailed` where the body is larger than allowed. */
  add(part: Buffer): void
  whole(): Buffer
}

/** So many parts are kept as they are, whatever their size. */
const mostSmallParts = 64
/** Smaller ones are copied after that: a part has an overhead of a hundred bytes, and a server may send a byte at a time. */
const smallBytes = 2048
const blockBytes = 64 * 1024

export const createBodyParts = (maxBytes: number): BodyParts => {
  const parts: Buffer[] = []
  let bytes = 0
  let block = Buffer.alloc(0)
  /** Offsets in the block: end of the filled part, and end of the part that `parts` contains already. */
  let filled = 0
  let moved = 0

  const flush = (): void => {
    if (filled > moved) parts.push(block.subarray(moved, filled))
    moved = filled
  }

  return {
    bytes: () => bytes,
    add: (part) => {
      bytes += part.length
      if (bytes > maxBytes) throw tooLarge(maxBytes)
      if (part.length === 0) return
      if (parts.length < mostSmallParts || part.length >= smallBytes) {
        flush()
        parts.push(part)
        return
      }
      if (block.length - filled < part.length) {
        flush()
        block = Buffer.allocUnsafeSlow(blockBytes)
        filled = 0
        moved = 0
      }
      filled += part.copy(block, filled)
    },
    whole: () => {
      flush()
      return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    },
  }
}

export const tooLarge = (maxBytes: number): RequestFailed =>
  new RequestFailed('too_large', `the body is larger than ${maxBytes} bytes`)
