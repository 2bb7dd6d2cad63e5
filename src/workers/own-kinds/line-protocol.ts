import { z } from 'zod'
import type { JsonValue } from '../../lib/json.ts'
import { anyJson } from '../../lib/json-schemas.ts'

/** A line that is longer is output, whatever it holds: parsing it would hold up everything else. */
const longestJsonBytes = 1024 * 1024
const newline = 0x0a

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

const ErrorLine = z.strictObject({
  error: z.strictObject({
    type: z.string().min(1).max(200),
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
  /** The held line that was found to be JSON: a large one is parsed once, however many chunks come behind it. */
  let known: Buffer | undefined
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

  /** Of whole lines, each but those of progress makes the one before it output; what the last one is is asked once a chunk. */
  function* lines(chunk: Buffer): Generator<Buffer> {
    let from = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      const rest = chunk.subarray(from, end + 1)
      from = end + 1
      if (isPassing) {
        isPassing = false
        yield rest
        continue
      }
      const line = begun.length === 0 ? rest : Buffer.concat([...begun, rest])
      begun = []
      begunBytes = 0
      if (reported(line)) continue
      if (held !== undefined) yield held
      held = line
    }
    if (held !== undefined && held !== known) {
      if (mayBeJson(held) && jsonIn(held) !== undefined) known = held
      else {
        yield held
        held = undefined
      }
    }
    yield* beginning(chunk.subarray(from))
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

const jsonIn = (line: Buffer): JsonValue | undefined => {
  if (line.length > longestJsonBytes) return undefined
  try {
    return JSON.parse(line.toString()) as JsonValue
  } catch {
    return undefined
  }
}
