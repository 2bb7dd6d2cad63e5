import { randomHex } from '../../lib/ids.ts'

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/**
 * The trace of a request, continued: the client's trace id and flags with a span id of our own. A missing or malformed header
 * starts a new trace. Source: W3C Trace Context, level 1.
 */
export const continueTrace = (header: string | undefined): string => {
  if (header === undefined) return newTrace()
  const [, version, trace, parent, flags, rest] = form.exec(header.trim()) ?? []
  const valid =
    version !== undefined &&
    version !== 'ff' &&
    (version !== '00' || rest === undefined) &&
    trace !== '0'.repeat(32) &&
    parent !== '0'.repeat(16)
  return valid ? `00-${trace}-${randomHex(16)}-${flags}` : newTrace()
}

const newTrace = (): string => `00-${randomHex(32)}-${randomHex(16)}-01`
