import { randomBytes } from 'node:crypto'

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/**
 * The trace of a request, continued: the client's trace id and flags with a span id of our own. A missing or malformed header
 * starts a new trace. Source: W3C Trace Context, level 1.
 */
export const continueTrace = (header: string | undefined): string => {
  const [, version, trace, parent, flags, rest] = form.exec(header?.trim() ?? '') ?? []
  const valid =
    version !== undefined &&
    version !== 'ff' &&
    (version !== '00' || rest === undefined) &&
    trace !== '0'.repeat(32) &&
    parent !== '0'.repeat(16)
  const random = randomHex(valid ? 8 : 24)
  return valid ? `00-${trace}-${random}-${flags}` : `00-${random.slice(16)}-${random.slice(0, 16)}-01`
}

/** Random bytes by the kilobyte: a call into the kernel for each request would cost more than the rest of its context. */
let pool = ''
const randomHex = (bytes: number): string => {
  if (pool.length < bytes * 2) pool = randomBytes(4096).toString('hex')
  const taken = pool.slice(0, bytes * 2)
  pool = pool.slice(bytes * 2)
  return taken
}
