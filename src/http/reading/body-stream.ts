import type { IncomingMessage } from 'node:http'
import type { HttpContext } from '../faces/http-context.ts'
import { cutOff, tooLarge, tooLate } from './body.ts'

/**
 * The body as it arrives, in constant memory: it is asked for more only when the last piece was taken. It may take any time while it moves.
 * Throws the problems `too-large` (as soon as the limit is passed, or announced by `Content-Length`), `request-timeout` (nothing came for
 * `BODY_IDLE_MS`) and `invalid` (it was cut off). To be read once. The budget of bodies in memory does not count it.
 */
export async function* bodyStream(c: HttpContext, maxBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  const { incoming, request } = c
  if (Number(incoming?.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  let bytes = 0
  for await (const piece of incoming === undefined ? (request?.body ?? []) : piecesOf(incoming, c)) {
    bytes += piece.byteLength
    if (bytes > maxBytes) throw tooLarge(maxBytes)
    yield piece
  }
}

/** Leaves the socket alone when it ends early: the listener throws the rest away, so that the answer reaches the client. */
async function* piecesOf(incoming: IncomingMessage, { clock, bodyIdleMs }: HttpContext): AsyncGenerator<Uint8Array> {
  const pieces: Uint8Array[] = []
  let end = (incoming.readableEnded ? 'whole' : incoming.destroyed ? 'cut' : undefined) as 'whole' | 'cut' | 'idle' | undefined
  let wake = (): void => undefined
  const ended = (how: NonNullable<typeof end>) => (): void => {
    end ??= how
    wake()
  }
  const onData = (piece: Uint8Array): void => {
    pieces.push(piece)
    incoming.pause()
    wake()
  }
  const [onEnd, onCut] = [ended('whole'), ended('cut')]
  incoming.on('data', onData).on('end', onEnd).on('close', onCut).on('error', onCut)
  try {
    for (;;) {
      const piece = pieces.shift()
      if (piece !== undefined) yield piece
      else if (end === undefined) {
        const cancel = clock.after(bodyIdleMs, ended('idle'))
        await new Promise<void>((resolve) => {
          wake = resolve
          incoming.resume()
        })
        cancel()
      } else if (end === 'whole') return
      else throw end === 'idle' ? tooLate() : cutOff()
    }
  } finally {
    incoming.off('data', onData).off('end', onEnd).off('close', onCut).off('error', onCut)
  }
}
