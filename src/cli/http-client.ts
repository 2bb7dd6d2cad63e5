import type { Readable } from 'node:stream'
import { loadClientConfig } from '../client-config.ts'
import { messageOf } from '../lib/errors.ts'
import { isObject, type JsonObject } from '../lib/json.ts'
import { CommandFailed } from './exit-codes.ts'

export interface ServerOptions {
  readonly url?: string
  readonly token?: string
}

interface RequestOptions {
  readonly method?: string
  readonly query?: URLSearchParams
  readonly body?: JsonObject
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** A server as the commands see it; every failure is a `CommandFailed` with the fitting exit code. */
export interface Client {
  /** The raw answer, whatever its status; throws only where the server is out of reach. */
  send(path: string, options?: RequestOptions): Promise<Response>
  /** Posts a stream, however long that takes; the raw answer. */
  upload(path: string, options: { readonly content: Readable } & Pick<RequestOptions, 'headers'>): Promise<Response>
  /** The answer's JSON object; any status from 400 on is thrown. */
  json(path: string, options?: RequestOptions): Promise<JsonObject>
}

export const createClient = (options: ServerOptions): Client => {
  const defaults = loadClientConfig()
  const base = baseOf(options.url ?? defaults.url)
  const token = options.token ?? defaults.token

  const authorization: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` }

  const send: Client['send'] = async (path, { method = 'GET', query, body, headers = {}, signal } = {}) => {
    const search = query !== undefined && query.size > 0 ? `?${query}` : ''
    try {
      return await fetch(`${base}${path}${search}`, {
        method,
        headers: {
          ...authorization,
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (error) {
      if (signal?.aborted) throw error
      throw outOfReach(base, error)
    }
  }

  const upload: Client['upload'] = async (path, { content, headers = {} }) => {
    // The usual client gives an answer up that does not begin within five minutes, the time of the upload included.
    const { Agent, fetch: sendStream } = await import('undici')
    const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 })
    try {
      const response = await sendStream(`${base}${path}`, {
        method: 'POST',
        headers: { ...authorization, ...headers },
        body: content,
        duplex: 'half',
        dispatcher,
      })
      // Read before the connection is closed.
      return new Response(await response.arrayBuffer(), { status: response.status, statusText: response.statusText })
    } catch (error) {
      throw outOfReach(base, error)
    } finally {
      await dispatcher.destroy()
    }
  }

  return {
    send,
    upload,
    json: async (path, request) => {
      const response = await send(path, request)
      if (response.status >= 400) throw await refusal(response)
      try {
        return (await response.json()) as JsonObject
      } catch (error) {
        throw new CommandFailed('failed', `${base}${path} did not answer with JSON: ${messageOf(error)}`)
      }
    },
  }
}

/** What a refused request becomes: the problem's own words, and what to do without credentials. */
export const refusal = async (response: Response): Promise<CommandFailed> => {
  const text = await response.text()
  const outcome = response.status === 404 ? 'notFound' : 'failed'
  const hint = response.status === 401 ? '. Set INTENDANT_TOKEN to the token of a credential, or give --token.' : ''
  return new CommandFailed(outcome, `${response.status}: ${wordsOf(text) ?? response.statusText}${hint}`)
}

const wordsOf = (text: string): string | undefined => {
  try {
    const problem: unknown = JSON.parse(text)
    if (!isObject(problem)) return undefined
    const errors = Array.isArray(problem.errors) ? problem.errors.filter(isObject) : []
    const details = errors.map(({ pointer, message }) => `\n  ${pointer || 'the body'}: ${message}`)
    return `${problem.detail ?? problem.title}${details.join('')}`
  } catch {
    return text.slice(0, 500) || undefined
  }
}

/** Codes of OpenSSL for a certificate of an authority that is not known here. */
const untrusted: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

const outOfReach = (base: string, error: unknown): CommandFailed => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (isObject(cause) && untrusted.has(String(cause.code)))
    return new CommandFailed(
      'outOfReach',
      `the certificate of ${base} is not trusted: ${cause.code}. Set NODE_EXTRA_CA_CERTS to the PEM file of its authority.`,
    )
  const reason = messageOf(cause) || (isObject(cause) ? String(cause.code) : 'no answer')
  return new CommandFailed(
    'outOfReach',
    `no server at ${base}: ${reason}. Start one with "intendant serve", or name another with --url.`,
  )
}

const baseOf = (url: string): string => {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !['http:', 'https:'].includes(parsed.protocol))
    throw new CommandFailed('usage', `"${url}" is not an http or https address`)
  return url.replace(/\/+$/, '')
}
