import { z } from 'zod'
import type { JsonValue } from '../../lib/json.ts'
import { anyJson } from '../../lib/json-schemas.ts'

/** A line that is longer is output, whatever it holds: parsing it would hold up everything else. */
const longestJsonBytes = 1024 * 1024
const newline = 0x0a
const brace = 0x7b
/** Space, tab, carriage return. */
const blanks: readonly number[] = [0x20, 0x09, 0x0d]

const ProgressLine = z.strictObject({
  progress: z.strictObject({
    fraction: z.number().optional(),
    phase: z.string().optional(),
    detail: z.string().optional(),
  }),
})
interface Progress {
  readonly fraction?: number
  readonly phase?: string
  readonly detail?: string
}

/** A failure stays a failure where its program says more than is asked for. */
const ErrorLine = z.strictObject({
  error: z.object({
    type: z.string().min(1),
    message: z.string(),
    retryable: z.boolean().default(true),
    retryAfterMs: z.number().min(0).optional(),
    details: anyJson.optional(),
  }),
})
export type ReportedError = z.infer<typeof ErrorLine>['error']

/** The last line of a program, which is not part of the output yet. */
export interface LastLine {
  readonly text: string
  readonly value: JsonValue
  /** Where it is an error line. */
  readonly error: ReportedError | undefined
}

/** What a program says on its stdout, line by line. Source: native contract, section 9. */
export interface LineProtocol {
  /** Passes on what is output. A line that is JSON is held back until another one follows. */
  output(stdout: AsyncIterable<Buffer>): AsyncGenerator<Buffer>
  /** The last line, where it is JSON; to be asked after the output has ended. */
  last(): LastLine | undefined
}

export const createLineProtocol = (progress: (report: Progress) => void): LineProtocol => {
  /** A whole line that is JSON. */
  let held: Buffer | undefined
  /** The beginning of a line that may be JSON. */
  let begun: Buffer[] = []
  let begunBytes = 0
  /** The beginning of this line was passed on. */
  let isPassing = false

  const reported = (line: Buffer): boolean => {
    if (!/^[ \t\r]*\{[ \t\r]*"progress"[ \t\r]*:/.test(line.toString('latin1', 0, 64)) || line.length > longestJsonBytes)
      return false
    const parsed = ProgressLine.safeParse(jsonIn(line))
    if (!parsed.success) return false
    const { fraction, phase, detail } = parsed.data.progress
    progress({
      ...(fraction === undefined ? {} : { fraction }),
      ...(phase === undefined ? {} : { phase }),
      ...(detail === undefined ? {} : { detail }),
    })
    return true
  }

  /**
   * Of whole lines, each but those of progress makes the one before it output; what the last one is is asked once a chunk. Lines that are output are passed on
   * together: each by itself would take a tenth of a second for a chunk of short ones.
   */
  function* lines(chunk: Buffer): Generator<Buffer> {
    let from = 0
    /** What stands between these is output, and the last whole line begins at the second; nothing is output yet while a line is held. */
    let shownFrom = 0
    let lastFrom = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      const begin = from
      from = end + 1
      if (isPassing) {
        isPassing = false
        lastFrom = from
      } else if (begun.length > 0) {
        const line = Buffer.concat([...begun, chunk.subarray(0, from)])
        begun = []
        begunBytes = 0
        shownFrom = lastFrom = from
        if (reported(line)) continue
        if (held !== undefined) yield held
        held = jsonIn(line) === undefined ? undefined : line
        if (held === undefined) yield line
      } else if (beginsObject(chunk, begin) && reported(chunk.subarray(begin, from))) {
        yield* settled(chunk.subarray(shownFrom, lastFrom), chunk.subarray(lastFrom, begin))
        shownFrom = lastFrom = from
      } else {
        if (held !== undefined) yield held
        held = undefined
        lastFrom = begin
      }
    }
    yield* settled(chunk.subarray(shownFrom, lastFrom), chunk.subarray(lastFrom, from))
    yield* beginning(chunk.subarray(from))
  }

  /** Output, and the whole line behind it, which is held where it is JSON. */
  function* settled(shown: Buffer, last: Buffer): Generator<Buffer> {
    if (shown.length > 0) yield shown
    if (last.length === 0) return
    if (jsonIn(last) === undefined) yield last
    else held = last
  }

  function* beginning(rest: Buffer): Generator<Buffer> {
    if (rest.length === 0) return
    if (isPassing) return yield rest
    begun.push(rest)
    begunBytes += rest.length
    if (begunBytes <= longestJsonBytes && mayBeJson(begun[0] ?? rest)) return
    isPassing = true
    if (held !== undefined) yield held
    held = undefined
    yield Buffer.concat(begun)
    begun = []
    begunBytes = 0
  }

  function* end(): Generator<Buffer> {
    const line = Buffer.concat(begun)
    if (line.length === 0 || reported(line)) return
    if (held !== undefined) yield held
    held = undefined
    if (jsonIn(line) === undefined) yield line
    else held = line
  }

  return {
    output: async function* (stdout) {
      for await (const chunk of stdout) yield* lines(chunk)
      yield* end()
    },
    last: () => {
      const value = held === undefined ? undefined : jsonIn(held)
      if (held === undefined || value === undefined) return undefined
      return { text: held.toString(), value, error: ErrorLine.safeParse(value).data?.error }
    },
  }
}

/** Whether a line that begins so can be JSON: what cannot be is shown at once, without the end of its line. */
const mayBeJson = (line: Buffer): boolean => {
  const text = line.toString('latin1', 0, 64).trim()
  if (line.length > longestJsonBytes) return false
  return /^[[{"]/.test(text) || /^-?[\d.eE+-]*$/.test(text) || ['true', 'false', 'null'].some((word) => word.startsWith(text))
}

/** Whether the first character of the line that begins there, blanks aside, is a brace. */
const beginsObject = (chunk: Buffer, from: number): boolean => {
  let at = from
  while (blanks.includes(chunk[at] ?? 0)) at++
  return chunk[at] === brace
}

const jsonIn = (line: Buffer): JsonValue | undefined => {
  if (!mayBeJson(line)) return undefined
  try {
    return JSON.parse(line.toString()) as JsonValue
  } catch {
    return undefined
  }
}
