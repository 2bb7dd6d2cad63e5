import { faultOfNames, type ListedTargets, requestedNames, type TargetChange, type Targets } from '../../commands/targets.ts'
import type { OperationError, OperationRequest } from '../../events/operation.ts'
import { type Clock, instant, parseInstant } from '../../lib/clock.ts'
import type { JsonValue } from '../../lib/json.ts'
import { type TargetContext, type TargetsOptions, type WorkContext, WorkFailed } from '../work.ts'
import { createTargetRecords } from './target-records.ts'

export interface FanOutPorts {
  readonly clock: Clock
  readonly request: OperationRequest
  /** As they stood when the attempt started. */
  readonly targets: Targets | null
  /** What targets have in common with the whole attempt. */
  readonly context: Omit<WorkContext, 'targets'>
  /** The names that an earlier attempt has recorded. */
  readonly listed: () => Promise<readonly string[]>
  /** These reject where the attempt is not ours any longer. */
  readonly list: (part: ListedTargets) => Promise<void>
  readonly record: (changes: readonly TargetChange[]) => Promise<void>
  /** Steps of one target, with those that are recorded. */
  readonly stepsOf: (
    target: { readonly target: string; readonly place: number },
    known: Readonly<Record<string, JsonValue>>,
  ) => WorkContext['step']
  /** The result of a target as JSON, and what it failed of, both without secrets. */
  readonly resultOf: (result: unknown) => JsonValue
  readonly errorOf: (error: unknown) => OperationError
}

type Run = Parameters<WorkContext['targets']>[1]

/** Most bytes of the result, or of the error's details, of one target. */
const mostBytes = 256 * 1024
const listBytes = 256 * 1024
const mostParallel = 1000

/** The targets of one attempt: what has succeeded before is not run again. Source: native contract, section 10. */
export const createFanOut = (ports: FanOutPorts): WorkContext['targets'] => {
  let isUsed = false
  return async (options, run) => {
    if (isUsed) throw new Error('an attempt goes through its targets once')
    isUsed = true
    const { parallel = 1, pauseMs = 0, maxFailures = Number.POSITIVE_INFINITY } = options
    if (!Number.isInteger(parallel) || parallel < 1 || parallel > mostParallel)
      throw new RangeError(`parallel is a whole number from 1 to ${mostParallel}, not ${parallel}`)
    if (!(pauseMs >= 0) || !(maxFailures >= 1)) throw new RangeError('pauseMs is at least 0, and maxFailures at least 1')
    const names = await namesOf(options, ports)
    return goThrough(names, run, { ...options, parallel, pauseMs, maxFailures }, ports)
  }
}

/** Those of the request, else those that an earlier attempt recorded, else those of the work, which are recorded then. */
const namesOf = async ({ names: given = [] }: TargetsOptions, ports: FanOutPorts): Promise<readonly string[]> => {
  const requested = requestedNames(ports.request)
  if (requested !== undefined) return requested
  if (ports.targets?.isListed) return ports.listed()
  const names = typeof given === 'function' ? await given() : given
  const fault = faultOfNames(names)
  if (fault !== undefined) throw new WorkFailed('invalid-targets', `the names of targets are not ${fault}`, { retryable: false })
  for (const part of partsOf(names)) await ports.list(part)
  return names
}

function* partsOf(names: readonly string[]): Generator<ListedTargets> {
  let from = 0
  let bytes = 0
  for (const [place, name] of names.entries()) {
    bytes += Buffer.byteLength(name) + 3
    if (bytes < listBytes || place === from) continue
    yield { from, names: names.slice(from, place), more: true }
    from = place
    bytes = 0
  }
  yield { from, names: names.slice(from), more: false }
}

const goThrough = async (
  names: readonly string[],
  run: Run,
  options: TargetsOptions & { readonly parallel: number; readonly pauseMs: number; readonly maxFailures: number },
  ports: FanOutPorts,
): Promise<{ readonly succeeded: number }> => {
  const { clock, context, targets } = ports
  const { signal } = context
  const { parallel, pauseMs, maxFailures, repeatFailed = true, pauses = 'before each' } = options
  const marks = Buffer.from(targets?.isListed ? targets.marks : '.'.repeat(names.length), 'latin1')
  const marked = (mark: string): number => marks.reduce((sum, byte) => sum + (byte === mark.charCodeAt(0) ? 1 : 0), 0)
  const records = createTargetRecords(ports.record)
  let failures = repeatFailed ? 0 : marked('f')
  let retryAfterMs: number | undefined
  let next = 0
  let hasCrashed = false

  const mark = (place: number, as: string): void => {
    marks[place] = as.charCodeAt(0)
  }

  /** Whether no other target is to start. */
  const isFull = (): boolean => hasCrashed || failures >= maxFailures

  /** The next one that has not succeeded; undefined where no other is to start. */
  const take = (): number | undefined => {
    signal.throwIfAborted()
    while (next < marks.length) {
      if (isFull()) return undefined
      const place = next++
      const as = String.fromCharCode(marks[place] as number)
      if (as === '.' || (as === 'f' && repeatFailed)) return place
    }
    return undefined
  }

  /** What is left of the pause of an earlier attempt, however the wall clock was set since. */
  const leftMs = targets?.pauseUntil == null ? 0 : Math.min(pauseMs, parseInstant(targets.pauseUntil) - clock.now())

  /** Targets one after the other. */
  const turn = async (): Promise<void> => {
    const pause = createPause()
    /** The last target's end, on its way to the log. */
    let ending: Promise<void> = Promise.resolve()
    try {
      for (let place = take(); place !== undefined; place = take()) {
        if (await options.skips?.(names[place] ?? '')) continue
        if (pauses === 'before each') await pause.wait()
        // Others may have failed meanwhile.
        if (isFull()) return
        const change = await runOne(place, pause)
        ending = records.add(change)
        // Awaited below; until then nobody hears of a failure.
        ending.catch(() => undefined)
      }
    } finally {
      await ending
    }
  }

  /** The pauses of one turn. */
  const createPause = () => {
    let endsAt = clock.monotonic() + leftMs
    let hasWaited = false
    return {
      wait: async (): Promise<void> => {
        hasWaited = true
        const ms = endsAt - clock.monotonic()
        if (pauseMs > 0 && ms > 0) await clock.sleep(ms, signal)
      },
      /** A target has ended: from now on the next one has to wait, unless nobody asked for a pause before this one. */
      begin: (): { readonly pauseUntil?: string } => {
        if (pauseMs === 0 || !hasWaited) return {}
        hasWaited = false
        endsAt = clock.monotonic() + pauseMs
        return { pauseUntil: instant(clock.now() + pauseMs) }
      },
    }
  }

  /** Starts a target, runs it and answers how it ended; rejects where the attempt is to stop. */
  const runOne = async (place: number, pause: ReturnType<typeof createPause>): Promise<TargetChange> => {
    const name = names[place] ?? ''
    const target = { target: name, place }
    const open = targets?.open[place]
    const details = open?.details ?? (await options.details?.(name)) ?? null
    const noted = details === null ? {} : { details: details as never }
    await records.add({ type: 'OperationTargetStarted', data: { ...target, ...noted } })
    mark(place, 'r')
    const step = ports.stepsOf(target, open?.steps ?? {})
    const outcome = await outcomeOf(name, { ...context, place, details, step, pause: pause.wait })
    if ('error' in outcome) {
      failures++
      mark(place, 'f')
      return { type: 'OperationTargetFailed', data: { ...target, error: outcome.error, ...pause.begin() } }
    }
    mark(place, 's')
    return { type: 'OperationTargetSucceeded', data: { ...target, result: outcome.result as never, ...pause.begin() } }
  }

  /** Rejects where the attempt is to stop: it is said elsewhere what becomes of a target that ran. */
  const outcomeOf = async (
    name: string,
    targetContext: TargetContext,
  ): Promise<{ result: JsonValue } | { error: OperationError }> => {
    signal.throwIfAborted()
    try {
      return { result: fitting(ports.resultOf(await run(name, targetContext))) }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof WorkFailed && error.retryAfterMs !== undefined)
        retryAfterMs = Math.max(retryAfterMs ?? 0, error.retryAfterMs)
      return { error: shortened(ports.errorOf(error)) }
    }
  }

  const turns = Array.from({ length: Math.min(parallel, names.length) }, () =>
    turn().catch((error: unknown) => {
      hasCrashed = true
      throw error
    }),
  )
  const ended = await Promise.allSettled(turns)
  signal.throwIfAborted()
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  const [succeeded, failed] = [marked('s'), marked('f')]
  if (failed === 0) return { succeeded }
  const skipped = names.length - succeeded - failed
  throw new WorkFailed(
    'targets-failed',
    `${failed} of ${names.length} targets failed${skipped === 0 ? '' : `, ${skipped} were skipped`}`,
    {
      retryable: true,
      details: { failed, skipped },
      retryAfterMs,
    },
  )
}

const bytesOf = (value: JsonValue): number => Buffer.byteLength(JSON.stringify(value))

const fitting = (result: JsonValue): JsonValue => {
  if (bytesOf(result) <= mostBytes) return result
  throw new WorkFailed('result-unacceptable', `the result of a target takes at most ${mostBytes} bytes`, { retryable: false })
}

const shortened = ({ details, ...error }: OperationError): OperationError => ({
  ...error,
  message: error.message.slice(0, mostBytes / 4),
  ...(details === undefined || bytesOf(details as JsonValue) > mostBytes ? {} : { details }),
})
