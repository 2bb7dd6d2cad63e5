import type { Duplex } from 'node:stream'
import { mostHeaders } from './headers.ts'
import { RequestFailed } from './request-failure.ts'

/** Ends connections whose heads or trailers have too many lines. */
export interface HeadGuard {
  watch(socket: Duplex): void
  /** The lines so far were not too many: a request begins, or bytes of a body came. */
  forgive(): void
}

/**
 * Most bytes that the parser is given at a time. It does not stop where the headers are too large, but makes an error with a stack for each
 * further one in its hands: 330 ms for 100,000 headers of one byte.
 */
const mostAtOnce = 16 * 1024
const mostLines = 2 * mostHeaders
const lineFeed = 0x0a

export const createHeadGuard = (): HeadGuard => {
  let lines = 0
  /** What the parser has been given last; it is the head, or trailers, where no byte of a body comes of it. */
  let given: Buffer | undefined

  return {
    watch: (socket) => {
      const read = socket.read.bind(socket)
      socket.read = () => {
        if (given !== undefined) lines += linesOf(given)
        given = undefined
        if (lines > mostLines) {
          socket.destroy(new RequestFailed('too_large', `the headers have more than ${mostLines} lines`))
          return null
        }
        const next: Buffer | null = socket.readableLength > mostAtOnce ? read(mostAtOnce) : read()
        given = next ?? undefined
        return next
      }
    },
    forgive: () => {
      lines = 0
      given = undefined
    },
  }
}

const linesOf = (bytes: Buffer): number => {
  let count = 0
  for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, at + 1)) count++
  return count
}
