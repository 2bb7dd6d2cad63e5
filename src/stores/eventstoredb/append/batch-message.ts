import type { AppendRequest } from '../../encode-append.ts'

/** A server waits for its disk up to its own limit (2 s by default) if the deadline is later; clock differences do not matter. */
const farMs = 24 * 60 * 60 * 1000

export interface BatchMessage {
  readonly correlationId: string
  readonly request: Pick<AppendRequest, 'stream' | 'events'>
  readonly expectedRevision: bigint | 'no_stream'
  /** Milliseconds since the epoch. */
  readonly now: number
}

/**
 * One append as a `BatchAppendReq`, in the protocol's own bytes: through the generated classes, which copy every text three times and
 * take data as base64, it costs several times as much. Source: streams.proto and shared.proto of EventStoreDB 23.10.
 */
export const encodeBatchMessage = ({ correlationId, request, expectedRevision, now }: BatchMessage): Buffer => {
  const options = message(2, [
    message(1, [text(3, request.stream)]),
    expectedRevision === 'no_stream' ? message(3, []) : number(2, expectedRevision),
    message(6, [number(1, BigInt(Math.ceil((now + farMs) / 1000)))]),
  ])
  const events = request.events.map(({ id, type, data, metadata }) =>
    message(3, [message(1, [text(2, id)]), message(2, [typeKey, text(2, type)]), contentType, text(3, metadata), text(4, data)]),
  )
  return Buffer.concat([message(1, [text(2, correlationId)]), options, ...events, isFinal])
}

const lengthDelimited = 2

/** A varint: seven bits a byte, the lowest first. */
const varint = (value: number): number[] => {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  bytes.push(rest)
  return bytes
}

const number = (field: number, value: bigint): Buffer => Buffer.from([field << 3, ...varint(Number(value))])

const text = (field: number, value: string): Buffer => {
  const length = Buffer.byteLength(value)
  const head = [(field << 3) | lengthDelimited, ...varint(length)]
  const buffer = Buffer.allocUnsafe(head.length + length)
  buffer.set(head)
  buffer.write(value, head.length)
  return buffer
}

const message = (field: number, parts: readonly Buffer[]): Buffer => {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return Buffer.concat([Buffer.from([(field << 3) | lengthDelimited, ...varint(length)]), ...parts])
}

const typeKey = text(1, 'type')
const contentType = message(2, [text(1, 'content-type'), text(2, 'application/json')])
const isFinal = Buffer.from([4 << 3, 1])
