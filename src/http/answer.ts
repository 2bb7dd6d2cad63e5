/** What a request is answered with. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | ReadableStream<Uint8Array> | null
}

/** Stands for what a route has written to its socket by itself. */
export const alreadySent: Answer = { status: 200, headers: {}, body: null }

/** The answer with `added` headers below its own ones; kept answers have theirs in lower case. */
export const withHeaders = (answer: Answer, added: Readonly<Record<string, string>>): Answer => {
  const { status, body } = answer
  const headers = { ...answer.headers }
  for (const name in added) {
    if (headers[name] === undefined && headers[name.toLowerCase()] === undefined) headers[name] = added[name] as string
  }
  return { status, headers, body }
}

/** Everything that the body holds. */
export const bytesOf = async ({ body }: Answer): Promise<Buffer> => {
  if (body === null || typeof body === 'string') return Buffer.from(body ?? '')
  return body instanceof Uint8Array ? Buffer.from(body) : Buffer.concat(await Array.fromAsync(body))
}
