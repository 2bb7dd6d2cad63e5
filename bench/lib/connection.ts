import { connect, type Socket } from 'node:net'

export type Answered = (status: number, body: Buffer) => void

/** One keep-alive HTTP/1.1 connection that carries one request at a time. */
export interface Connection {
  /** Connects again first where the server has closed what was idle for long. */
  send(request: Buffer, answered: Answered): void
  close(): void
}

const headEnd = Buffer.from('\r\n\r\n')
const lastChunk = Buffer.from('0\r\n\r\n')

/** Reads no more of HTTP than a benchmark needs: status, length or chunks, body. `failed` hears what breaks a request. */
export const openConnection = async (url: URL, failed: (error: Error) => void): Promise<Connection> => {
  let socket: Socket
  let answered: Answered | undefined
  let received: Buffer | undefined

  const onData = (chunk: Buffer): void => {
    received = received === undefined ? chunk : Buffer.concat([received, chunk])
    const answer = parse(received)
    if (answer === undefined) return
    const tell = answered
    received = undefined
    answered = undefined
    tell?.(answer.status, answer.body)
  }
  const open = (): Socket => {
    const made = connect({ host: url.hostname, port: Number(url.port), noDelay: true })
    made.on('data', onData)
    made.on('end', () => made.destroy())
    made.on('close', () => answered !== undefined && failed(new Error('the server closed a connection that owed an answer')))
    made.on('error', (error) => answered !== undefined && failed(error))
    return made
  }

  socket = open()
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return {
    send: (request, then) => {
      answered = then
      if (socket.destroyed) socket = open()
      socket.write(request)
    },
    close: () => {
      answered = undefined
      socket.destroy()
    },
  }
}

/** Undefined while the answer is not complete. */
const parse = (received: Buffer): { readonly status: number; readonly body: Buffer } | undefined => {
  const end = received.indexOf(headEnd)
  if (end < 0) return undefined
  const head = received.toString('latin1', 0, end).toLowerCase()
  const status = Number(head.slice(9, 12))
  const body = received.subarray(end + headEnd.length)
  const at = head.indexOf('\r\ncontent-length:')
  if (at >= 0) return body.length >= Number.parseInt(head.slice(at + 17), 10) ? { status, body } : undefined
  if (!head.includes('\r\ntransfer-encoding: chunked')) return { status, body: body.subarray(0, 0) }
  return received.subarray(-lastChunk.length).equals(lastChunk) ? { status, body } : undefined
}

/** What goes over the wire for a request. */
export const wire = (
  url: URL,
  {
    method,
    path,
    body,
    headers = {},
  }: {
    readonly method: string
    readonly path: string
    readonly body?: string
    readonly headers?: Readonly<Record<string, string>>
  },
): Buffer => {
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${url.host}`]
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  if (body !== undefined) lines.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body ?? ''}`)
}
