import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { BlobFiles } from '../../commands/blob-files.ts'
import type { KindPlace } from '../../commands/kind.ts'
import { PlainName } from '../../commands/submit.ts'
import { messageOf } from '../../lib/errors.ts'
import type { JsonValue } from '../../lib/json.ts'
import { valueAt } from '../../lib/json-pointer.ts'
import { CannotStart } from '../processes/find-program.ts'
import type { Processes, ProgramEnd } from '../processes/processes.ts'
import { type TargetContext, type Work, type WorkContext, WorkFailed } from '../work.ts'
import { createLastText } from './last-text.ts'
import { createLineProtocol, type LastLine } from './line-protocol.ts'
import type { Manifest } from './manifest.ts'
import { filled } from './pointers.ts'

/** The work that a manifest describes. Source: native contract, section 9. */
export const ownWork = ({
  manifest,
  input,
  folder,
  processes,
  blobFiles,
}: {
  readonly manifest: Manifest
  readonly input: Work<JsonValue>['input']
  /** Of the manifest. */
  readonly folder: string
  readonly processes: Processes
  readonly blobFiles: BlobFiles
}): Work<JsonValue> => {
  const { kind, description, run, policy, environment, concurrency, outputCapBytes, targets } = manifest

  /** Once per target where it has targets. */
  const runOnce = async (value: JsonValue, context: WorkContext | TargetContext, target?: string): Promise<JsonValue> => {
    const { operationId, attempt, signal } = context
    const protocol = createLineProtocol((report) => context.progress(report))
    const errors = createLastText()
    const read = (source: AsyncIterable<Buffer>): Readable => Readable.from(source, { objectMode: false })
    /** Its last line, where that turned out to be none of the protocol. */
    const printLast = async ({ text }: LastLine): Promise<void> => context.output(text, 'stdout')
    let end: ProgramEnd
    try {
      end = await processes.run({
        name: `${operationId}-${attempt}${'place' in context ? `-${context.place}` : ''}`,
        argv: run,
        base: folder,
        environment: {
          ...environment,
          INTENDANT_OPERATION: operationId,
          INTENDANT_ATTEMPT: String(attempt),
          INTENDANT_KIND: kind,
          ...(target === undefined ? {} : { INTENDANT_TARGET: target }),
        },
        stdin: JSON.stringify(value),
        prepare: async (directory) => {
          for (const { pointer, blob, name } of filesIn(manifest, value))
            if (!(await blobFiles.copyTo(blob, join(directory, name))))
              throw new WorkFailed('file-missing', `there is no blob ${blob} any more, which ${pointer} names`, {
                retryable: false,
              })
        },
        signal,
        stdout: (stream) => context.pipe(read(protocol.output(stream)), 'stdout'),
        stderr: (stream) => context.pipe(read(errors.pass(stream)), 'stderr'),
      })
    } catch (error) {
      if (error instanceof CannotStart) throw new WorkFailed('cannot-start', messageOf(error), { retryable: false })
      const last = protocol.last()
      if (last !== undefined) await printLast(last)
      throw error
    }
    const last = protocol.last()
    if (last?.error !== undefined) {
      const { type, message, retryable, retryAfterMs, details } = last.error
      throw new WorkFailed(type, message, { retryable, retryAfterMs, details })
    }
    if (end.code === 0) return last?.value ?? null
    if (last !== undefined) await printLast(last)
    const [type, words] =
      end.signal === null
        ? [`exit-${end.code}`, `the program ended with exit code ${end.code}`]
        : [`signal-${end.signal}`, `the program was ended by ${end.signal}`]
    throw new WorkFailed(type, errors.lastLine() ?? words, { retryable: true })
  }

  return {
    kind,
    face: null,
    description,
    submittable: true,
    input,
    policy: {
      attempts: policy.attempts,
      timeoutMs: policy.timeoutMs,
      backoff: { initialMs: policy.backoff.firstMs, factor: policy.backoff.factor, maxMs: policy.backoff.maxMs },
      whenLost: policy.whenLost,
      lostAttempts: policy.lostAttempts,
    },
    files: (value) => filesIn(manifest, value),
    place: (value, unnamed) => placeOf(manifest, value, unnamed),
    concurrency,
    outputCapBytes,
    stopWithinMs: processes.endsWithinMs,
    ...(targets === undefined ? {} : { targets: { from: targets.from } }),
    run: async (value, context) => {
      if (targets === undefined) return runOnce(value, context)
      const { from, parallel, pauseMs, maxFailures } = targets
      const names = (): readonly string[] => (valueAt(value, from) ?? []) as readonly string[]
      const options = { names, parallel, pauseMs, ...(maxFailures === undefined ? {} : { maxFailures }) }
      return { ...(await context.targets(options, (name, target) => runOnce(value, target, name))) }
    },
  }
}

/** The blobs that an input names, and the files that they are to be; a member that is not there names none. */
const filesIn = ({ files }: Manifest, input: JsonValue) =>
  Object.entries(files).flatMap(([pointer, name]) => {
    const blob = valueAt(input, pointer)
    return blob === undefined ? [] : [{ pointer, name, blob: typeof blob === 'string' ? blob : JSON.stringify(blob) }]
  })

/** Lane and limits, filled from an input. */
const placeOf = (
  { lane, limits }: Manifest,
  input: JsonValue,
  unnamed: { readonly lane: boolean; readonly limits: boolean },
): KindPlace => {
  const missing: { readonly pointer: string; readonly message: string }[] = []
  const fill = (text: string, whole: string): string => {
    const found = filled(text, input)
    if (found.missing !== undefined) {
      missing.push({ pointer: `/input${found.missing}`, message: `a text, a number or a truth value: ${whole} is made of it` })
      return ''
    }
    if (!PlainName.safeParse(found.text).success)
      missing.push({ pointer: '/input', message: `${whole} would not be 1 to 200 characters of plain text` })
    return found.text
  }
  const place = {
    lane: lane === undefined || !unnamed.lane ? undefined : fill(lane, 'the lane'),
    limits: limits === undefined || !unnamed.limits ? undefined : [...new Set(limits.map((limit) => fill(limit, 'a limit')))],
  }
  return missing.length > 0 ? { missing } : place
}
