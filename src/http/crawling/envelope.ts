import type { JsonValue } from '../../lib/json.ts'
import type { Reply } from '../replies/reply.ts'

interface WrapperError {
  readonly message: string
  readonly cause?: string
}

/**
 * Headers of every answer of this face: browser programs on other origins may call it. Source: crawling contract, section 1,
 * row 7.
 */
export const crossOrigin = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Max-Age': '21600',
  'Access-Control-Expose-Headers': 'Operation-Id, Event-Position, Feed-Class, Feed-Nearest-Class, Feed-Error',
} as const

export const jsonResponse = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { 'Content-Type': 'application/json', ...crossOrigin, ...headers },
  body: `${JSON.stringify(body)}\n`,
})

/** 200 with the wrapper: exactly three keys. */
export const success = (data: JsonValue, headers?: Readonly<Record<string, string>>): Reply =>
  jsonResponse(200, { data, error: null, status: 'SUCCESS' }, headers)

/** The wrapper around an error. Source: crawling contract, section 1. */
export const failure = (status: number, error: WrapperError, headers?: Readonly<Record<string, string>>): Reply =>
  jsonResponse(status, { data: null, error, status: 'FAILURE' }, headers)
