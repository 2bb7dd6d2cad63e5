import { maxHeaderBytes, mostHeaders, mostInterim } from '../../outbound/headers.ts'
import { RequestFailed } from '../../outbound/request-failure.ts'
import { createBodyParts, tooLarge } from './body-parts.ts'

/** A response that was read. `rawHeaders` are names and values in turn, as bytes. */
export interface CarelessResponse {
  readonly status: number
  readonly rawHeaders: readonly Buffer[]
  readonly body: Buffer
}

export interface CarelessReader {
  /** Takes bytes as they come; true once the response is whole. Throws `RequestFailed` where this is no HTTP, or too much of it. */
  push(chunk: Buffer): boolean
  /** The connection has ended: the response, or `RequestFailed` where something of it is missing. */
  end(): CarelessResponse
}

const lineFeed = 0x0a
const carriageReturn = 0x0d
const longestChunkLine = 4096
/** Lines without a size that may stand between two chunks; one ends the chunk before. */
const mostEmptyLines = 100
const statusLine = /^[ \t]{0,8}(?:HTTP|ICY)(?:\/[0-9.]{0,8})?[ \t]+([0-9]{3})(?![0-9])/i

/**
 * Reads a response of a server that is careless about HTTP/1.1, as browsers do: lines that end with a line feed alone, spaces before the
 * colon, folded headers, lengths that contradict each other, a protocol in lower case. Takes time that is linear in what comes.
 */
export const createCarelessReader = ({ maxBytes }: { readonly maxBytes: number }): CarelessReader => {
  let phase: 'head' | 'length' | 'close' | 'size' | 'chunk' | 'trailer' | 'done' = 'head'
  let status = 0
  let interim = 0
  let headBytes = 0
  let headLines = 0
  let emptyLines = 0
  let headers: [string, string][] = []
  let line: Buffer[] = []
  /** Bytes of the body, or of the chunk, that are still to come. */
  let left = 0
  const body = createBodyParts(maxBytes)

  const begin = (): void => {
    if (status >= 100 && status < 200) {
      if (++interim > mostInterim) throw new RequestFailed('lost', `more than ${mostInterim} interim answers`)
      status = 0
      headers = []
      return
    }
    const values = (wanted: string): string[] =>
      headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value)
    if (status === 204 || status === 304) phase = 'done'
    else if (values('transfer-encoding').some((value) => /(?:^|[,\s])chunked(?:$|[,;\s])/i.test(value))) phase = 'size'
    else {
      const length = lengthOf(values('content-length'))
      if (length !== undefined && length > maxBytes) throw tooLarge(maxBytes)
      left = length ?? 0
      if (length === undefined) phase = 'close'
      else phase = length === 0 ? 'done' : 'length'
    }
  }

  const headLine = (text: string): void => {
    if (status === 0) {
      if (text === '') return
      status = Number(statusLine.exec(text)?.[1] ?? 0)
      if (status < 100) throw new RequestFailed('lost', 'the answer is not HTTP')
      return
    }
    if (text === '') {
      begin()
      return
    }
    const last = headers.at(-1)
    if (/^[ \t]/.test(text)) {
      if (last !== undefined) last[1] = `${last[1]} ${text.trim()}`
      return
    }
    const colon = text.indexOf(':')
    const name = text.slice(0, Math.max(colon, 0)).trim()
    if (name !== '') headers.push([name, text.slice(colon + 1).trim()])
  }

  const sizeLine = (text: string, raw: Buffer): void => {
    // The end of the chunk before.
    if (text === '') {
      if (++emptyLines > mostEmptyLines) throw new RequestFailed('lost', 'a chunk of the body has no size')
      return
    }
    emptyLines = 0
    const size = /^[ \t]{0,100}(?:0x)?([0-9a-f]{1,12})[ \t]*(?:;|$)/i.exec(text)?.[1]
    if (size === undefined) {
      if (body.bytes() > 0) throw new RequestFailed('lost', 'a chunk of the body has no size')
      // It is not chunked after all.
      phase = 'close'
      body.add(raw)
      return
    }
    left = Number.parseInt(size, 16)
    if (body.bytes() + left > maxBytes) throw tooLarge(maxBytes)
    phase = left === 0 ? 'trailer' : 'chunk'
  }

  /** One line at a time; the bytes that remain after it. */
  const takeLine = (chunk: Buffer): Buffer => {
    const end = chunk.indexOf(lineFeed)
    const part = end < 0 ? chunk : chunk.subarray(0, end + 1)
    line.push(part)
    if (phase !== 'size') headBytes += part.length
    // A line costs more than its bytes: 65,000 empty ones take 70 ms.
    if (end >= 0 && phase !== 'size' && ++headLines > 2 * mostHeaders)
      throw new RequestFailed('too_large', `the headers have more than ${2 * mostHeaders} lines`)
    if (headBytes > maxHeaderBytes) throw new RequestFailed('too_large', `the headers are larger than ${maxHeaderBytes} bytes`)
    if (phase === 'size' && body.bytes() > 0 && part.length > longestChunkLine)
      throw new RequestFailed('lost', 'a chunk has no size')
    if (end < 0 && !(phase === 'size' && lengthOfLine() > longestChunkLine)) return nothing
    const raw = line.length === 1 ? part : Buffer.concat(line)
    line = []
    const text = raw.toString('latin1', 0, endOfText(raw)).replace(/[^\t\x20-\x7e\x80-\xff]/g, ' ')
    if (phase === 'size') sizeLine(text, raw)
    else if (phase === 'trailer') phase = text === '' ? 'done' : 'trailer'
    else headLine(text)
    return end < 0 ? nothing : chunk.subarray(end + 1)
  }

  const lengthOfLine = (): number => line.reduce((sum, { length }) => sum + length, 0)

  const takeBytes = (chunk: Buffer): Buffer => {
    const part = chunk.subarray(0, left)
    body.add(part)
    left -= part.length
    if (left === 0) phase = phase === 'chunk' ? 'size' : 'done'
    return chunk.subarray(part.length)
  }

  const response = (): CarelessResponse => ({
    status,
    rawHeaders: headers.flatMap(([name, value]) => [Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1')]),
    body: body.whole(),
  })

  return {
    push: (chunk) => {
      let rest = chunk
      while (rest.length > 0 && phase !== 'done') {
        if (phase === 'close') {
          body.add(rest)
          rest = nothing
        } else rest = phase === 'length' || phase === 'chunk' ? takeBytes(rest) : takeLine(rest)
      }
      return phase === 'done'
    },
    end: () => {
      if (phase === 'done' || phase === 'close') return response()
      // A head without the empty line after it is whole all the same.
      if (phase === 'head' && status >= 200 && line.length === 0) return response()
      // The last chunk came, and only the end after it did not.
      if (phase === 'trailer') return response()
      // The announced chunks were one line of text.
      if (phase === 'size' && body.bytes() === 0 && line.length > 0) {
        const raw = Buffer.concat(line)
        line = []
        sizeLine(raw.toString('latin1').trim(), raw)
        if (body.bytes() > 0) return response()
      }
      throw new RequestFailed('lost', 'the connection ended before the response did')
    },
  }
}

const nothing = Buffer.alloc(0)

const endOfText = (line: Buffer): number => {
  let end = line.length
  if (line[end - 1] === lineFeed) end--
  if (line[end - 1] === carriageReturn) end--
  return end
}

/** The announced length; undefined where there is none, or none that makes sense: the body lasts until the connection ends then. */
const lengthOf = (values: readonly string[]): number | undefined => {
  const all = values.flatMap((value) => value.split(',')).map((value) => value.trim())
  if (all.length === 0 || all.some((value) => !/^\+?[0-9]{1,15}$/.test(value))) return undefined
  const lengths = new Set(all.map(Number))
  return lengths.size === 1 ? [...lengths][0] : undefined
}
