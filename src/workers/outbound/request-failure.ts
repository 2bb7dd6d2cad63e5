import { messageOf } from '../../lib/errors.ts'
import { TargetRefused } from './address-guard.ts'

/** Why a page could not be fetched. */
export type RequestFailure =
  | 'dns'
  | 'refused'
  | 'timeout'
  | 'tls'
  | 'too_large'
  | 'unsupported_scheme'
  | 'lost'
  | 'target_refused'

/** Thrown if there is no usable response. `retryable` says whether another attempt can help. */
export class RequestFailed extends Error {
  override readonly name = 'RequestFailed'
  readonly reason: RequestFailure
  readonly retryable: boolean
  constructor(reason: RequestFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
    this.retryable = !['too_large', 'unsupported_scheme', 'target_refused'].includes(reason)
  }
}

const dnsCodes = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME', 'ENODATA', 'ESERVFAIL'])
const refusedCodes = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EACCES', 'EPERM'])
const timeoutCodes = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])
const tlsCodes = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO$)/

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? '')

/** Every way that undici, the resolver, TLS and the kernel have of saying no, as one of the contract's reasons. */
export const failureOf = (error: unknown): RequestFailed => {
  if (error instanceof RequestFailed) return error
  if (error instanceof TargetRefused) return new RequestFailed('target_refused', error.message, { cause: error })
  // Several addresses were tried and all failed: the first one speaks for them.
  const first: unknown = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error
  if (first instanceof TargetRefused) return failureOf(first)
  const code = codeOf(first)
  const message = messageOf(first) || code
  const failed = (reason: RequestFailure) => new RequestFailed(reason, message, { cause: error })
  if (dnsCodes.has(code)) return failed('dns')
  if (refusedCodes.has(code)) return failed('refused')
  if (timeoutCodes.has(code)) return failed('timeout')
  if (tlsCodes.test(code)) return failed('tls')
  if (code === 'UND_ERR_HEADERS_OVERFLOW' || code === 'HPE_HEADER_OVERFLOW') return failed('too_large')
  return failed('lost')
}

/** Whether there was an answer that the strict parser of HTTP/1.1 does not take. */
export const isMalformedHttp = (error: unknown): boolean => {
  if (!(error instanceof Error) || codeOf(error) === 'HPE_HEADER_OVERFLOW') return false
  return error.name === 'HTTPParserError' || codeOf(error) === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
}
