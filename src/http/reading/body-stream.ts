import type { HttpContext } from '../faces/http-context.ts'
import { Problem } from '../replies/problem.ts'
import { cutOff, tooLarge, tooLate } from './body.ts'

/**
 * The body as it arrives, in constant memory: it is asked for more only when the last piece was taken. It may take any time while it moves.
 * Throws the problems `too-large` (as soon as the limit is passed, or announced by `Content-Length`), `request-timeout` (nothing came for
 * `BODY_IDLE_MS`) and `invalid` (it was cut off). To be read once. The budget of bodies in memory does not count it.
 */
export async function* bodyStream(c: HttpContext, maxBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  const { incoming, request } = c
  if (Number(incoming?.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  // What is left unread after a refusal is thrown away by the listener, so that the answer reaches the client.
  const chunks: AsyncIterator<Uint8Array, unknown> =
    incoming === undefined ? piecesOf(request?.body ?? null) : incoming.iterator({ destroyOnReturn: false })
  let bytes = 0
  try {
    for (;;) {
      const { done, value } = await moving(c, chunks.next())
      if (done === true) return
      bytes += value.byteLength
      if (bytes > maxBytes) throw tooLarge(maxBytes)
      yield value
    }
  } finally {
    // It ends only after the piece that is waited for, which may never come.
    void chunks.return?.().catch(() => undefined)
  }
}

async function* piecesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  for await (const chunk of body ?? []) yield chunk
}

const moving = <Piece>({ clock, bodyIdleMs }: HttpContext, next: Promise<Piece>): Promise<Piece> =>
  new Promise((resolve, reject) => {
    const cancel = clock.after(bodyIdleMs, () => reject(tooLate()))
    next.then(
      (piece) => {
        cancel()
        resolve(piece)
      },
      (error: unknown) => {
        cancel()
        reject(error instanceof Problem ? error : cutOff())
      },
    )
  })
