/** What a request is answered with. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | ReadableStream<Uint8Array> | null
  /** A secret stands in the body: where the answer is kept, it is sealed for this subject. */
  readonly sealedFor?: string
}

/** Stands for what a route has written to its socket by itself. */
export const alreadySent: Reply = { status: 200, headers: {}, body: null }

/** The answer with `added` headers below its own ones. */
export const withHeaders = ({ status, headers, body }: Reply, added: Readonly<Record<string, string>>): Reply => ({
  status,
  headers: { ...added, ...headers },
  body,
})

/** Everything that the body holds. */
export const bytesOf = async ({ body }: Reply): Promise<Buffer> => {
  if (body === null || typeof body === 'string') return Buffer.from(body ?? '')
  return body instanceof Uint8Array ? Buffer.from(body) : Buffer.concat(await Array.fromAsync(body))
}
