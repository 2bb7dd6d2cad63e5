import type { Logger } from 'pino'
import { z } from 'zod'
import type { CommandContext, Executor, Outcome } from '../../commands/execute.ts'
import {
  type Live,
  type OperationCommand,
  type OperationDecisionState,
  type OperationRefusal,
  operation,
  operationStream,
} from '../../commands/operation.ts'
import { openInput, openValue, sealValue, textsIn } from '../../commands/sealing.ts'
import { Labels } from '../../commands/submit.ts'
import { listedNames } from '../../commands/targets.ts'
import type { OperationError } from '../../events/operation.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, RevisionConflict, SecretForgotten, Unacceptable, Unavailable } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { JsonValue } from '../../lib/json.ts'
import { whileUnavailable } from '../../lib/while-unavailable.ts'
import type { EventLog } from '../../stores/event-log.ts'
import type { Secrets } from '../../stores/secrets.ts'
import { createOutputWriter } from '../output/output-writer.ts'
import { createGrowingRedaction, type Redaction } from '../output/redaction.ts'
import { createWorkOutput } from '../output/work-output.ts'
import { type Work, type WorkContext, WorkFailed } from '../work.ts'
import { createFanOut } from './fan-out.ts'
import { createProgressThrottle, type RecordedProgress } from './progress.ts'

/** Why an attempt was told to stop; the reason of its signal is an `AttemptAborted` with this cause. */
export type AbortCause = 'cancelled' | 'timed-out' | 'lease-lost' | 'shutdown'

/** What `WorkContext.signal` aborts with. */
export class AttemptAborted extends Error {
  override readonly name = 'AbortError'
  readonly why: AbortCause
  constructor(why: AbortCause) {
    super(`the attempt was stopped: ${why}`)
    this.why = why
  }
}

/** A claimed attempt, ready to run. */
export interface Claim {
  readonly operationId: string
  readonly worker: string
  /** What the decider knew right after the start. */
  readonly live: Live
  /** What the attempt's events carry: the requester, the request's correlation, the start as their cause. */
  readonly context: Omit<CommandContext, 'commandId'>
}

export interface RunningAttempt {
  readonly operationId: string
  readonly kind: string
  readonly attempt: number
  readonly worker: string
  /** False for work whose policy forbids another attempt after it was interrupted. */
  readonly mayRepeat: boolean
  /** Tells the work to stop; work that has not stopped `abandonMs` later is left to itself and its end recorded all the same. */
  abort(why: AbortCause, abandonMs?: number): void
  /** Resolves when the work has stopped or was left to itself; its outcome is on its way then. */
  readonly worked: Promise<void>
  /**
   * Resolves when the outcome is recorded or known to be somebody else's, with the state that the operation is in then;
   * undefined where the outcome was dropped. Never rejects.
   */
  readonly ended: Promise<OperationDecisionState | undefined>
}

export interface AttemptPorts {
  readonly log: EventLog
  readonly executor: Executor
  readonly secrets: Secrets
  readonly clock: Clock
  readonly logger: Logger
  /** Whether the worker's lease still covers the attempt. */
  readonly isLive: (worker: string) => boolean
  /** How long work may take to stop after its signal. Default 5000. */
  readonly abandonMs?: number
}

const defaultAbandonMs = 5_000
const defaultOutputCapBytes = 8 * 1024 * 1024
/** Texts are cut after secrets were masked: before, a part of one might stay. */
const longestNote = 1_000
const longestType = 200
const longestMessage = 10_000

type AttemptCommand = OperationCommand extends infer Command
  ? Command extends { readonly id: string; readonly attempt: number }
    ? Omit<Command, 'id' | 'attempt'>
    : never
  : never
type Recorded = Outcome<OperationDecisionState, OperationRefusal>
type Settled = { readonly ok: true; readonly result: JsonValue } | { readonly ok: false; readonly error: unknown }

/** Runs one claimed attempt to its recorded end. The work sees a signal, never streams or leases. */
export const runAttempt = (work: Work, { operationId, worker, live, context }: Claim, ports: AttemptPorts): RunningAttempt => {
  const { log, executor, secrets, clock, logger } = ports
  const { attempt, request } = live
  const controller = new AbortController()
  const { promise: abandoned, resolve: abandon } = Promise.withResolvers<undefined>()
  const { promise: worked, resolve: stopsWorking } = Promise.withResolvers<void>()
  const isLive = (): boolean => ports.isLive(worker)
  let why: AbortCause | undefined
  const redact = createGrowingRedaction()
  let isOver = false

  const abort = (cause: AbortCause, abandonMs = work.stopWithinMs ?? ports.abandonMs ?? defaultAbandonMs): void => {
    // The first cause names the outcome, except that a lost attempt has none.
    if (why === undefined || cause === 'lease-lost') why = cause
    if (!controller.signal.aborted) controller.abort(new AttemptAborted(cause))
    clock.after(abandonMs, () => abandon(undefined))
  }

  /** Everything that this attempt appends to its operation goes one after the other: it would only conflict with itself. */
  let queue: Promise<unknown> = Promise.resolve()
  const record = (command: AttemptCommand): Promise<Recorded | undefined> => {
    const recorded = queue.then(() => recordNow({ ...command, id: operationId, attempt } as OperationCommand))
    queue = recorded.catch(() => undefined)
    return recorded
  }

  /** Repeats while the log is out of reach and the attempt is ours; undefined where it is not ours any longer. */
  const recordNow = async (command: OperationCommand): Promise<Recorded | undefined> => {
    const commandContext = { ...context, commandId: newId() }
    const outcome = await whileUnavailable(() => executor.execute(operation, command, commandContext), {
      clock,
      goesOn: isLive,
      repeats: (error) => error instanceof Unavailable || error instanceof RevisionConflict,
      onFailure: (error) =>
        logger.warn({ err: error, operationId, command: command.type }, 'the log did not answer; trying again'),
    })
    if (outcome?.state.status === 'cancelling') abort('cancelled')
    return outcome
  }

  const output = createOutputWriter({
    log,
    clock,
    operationId,
    attempt,
    capBytes: work.outputCapBytes ?? defaultOutputCapBytes,
    context,
    isLive,
    onProblem: (problem) => logger.warn({ operationId, attempt, problem }, 'output was lost'),
  })
  const shown = createWorkOutput(output, redact)

  const shownReport = ({ phase, fraction, detail }: RecordedProgress): RecordedProgress => ({
    phase: phase && redact.text(phase).slice(0, longestNote),
    fraction,
    detail: detail && redact.text(detail).slice(0, longestNote),
  })

  const progress = createProgressThrottle({
    clock,
    record: async (report) => {
      await record({ type: 'ReportProgress', ...shownReport(report) }).catch((error: unknown) =>
        logger.warn({ err: error, operationId }, 'progress was not recorded'),
      )
    },
  })

  /** Rejects where the attempt is over or not ours any longer. */
  const recordOrStop = async (command: AttemptCommand): Promise<void> => {
    const recorded = isOver ? undefined : await record(command)
    if (recorded !== undefined && !recorded.refused) return
    abort('lease-lost')
    throw new AttemptAborted('lease-lost')
  }

  /** The same value that a later attempt gets: a copy of the result as JSON, without secrets. */
  const recordable = (value: unknown): JsonValue => JSON.parse(JSON.stringify(redact.json((value ?? null) as JsonValue)))

  const stepsOf =
    (known: Map<string, JsonValue>, of?: { readonly target: string; readonly place: number }): WorkContext['step'] =>
    async <Result extends JsonValue>(name: string, take: () => Promise<Result>): Promise<Result> => {
      controller.signal.throwIfAborted()
      const recorded = known.get(name)
      if (recorded !== undefined) return recorded as Result
      const result = recordable(await take())
      await recordOrStop({ type: 'RecordStep', name, result, of })
      known.set(name, result)
      return structuredClone(result) as Result
    }

  const labels = { ...request.labels, ...live.labels }
  const label: WorkContext['label'] = async (given) => {
    const shown = Object.fromEntries(Object.entries(given).map(([key, value]) => [key, redact.text(value)]))
    const checked = Labels.safeParse({ ...labels, ...shown })
    if (!checked.success) throw new WorkFailed('invalid-labels', z.prettifyError(checked.error), { retryable: false })
    await recordOrStop({ type: 'LabelAttempt', labels: shown })
    Object.assign(labels, shown)
  }

  const perform = async (): Promise<JsonValue> => {
    const opened = await openInput(work.input, request.input as JsonValue, operationId, secrets).catch(notOpened)
    redact.learn(opened.secretTexts)
    const input = work.input.safeParse(opened.input)
    if (!input.success) throw new WorkFailed('invalid-input', input.error.message, { retryable: false })
    const common: Omit<WorkContext, 'targets'> = {
      operationId,
      attempt,
      correlationId: context.correlationId,
      actor: context.actor,
      signal: controller.signal,
      progress: (report) => progress.report(report),
      output: shown.output,
      pipe: shown.pipe,
      label,
      step: stepsOf(new Map(Object.entries(live.steps))),
      open: async (sealed) => {
        const clear = await openValue(sealed, secrets).catch(notOpened)
        redact.learn(textsIn(clear))
        return clear
      },
      seal: async (subject, value) => {
        redact.learn(textsIn(value))
        return await sealValue(subject, value, secrets)
      },
    }
    const targets = createFanOut({
      clock,
      request,
      targets: live.targets,
      context: common,
      listed: () => listedNames(log, operationStream(operationId)),
      list: (part) => recordOrStop({ type: 'ListTargets', ...part }),
      record: (changes) => recordOrStop({ type: 'RecordTargets', changes }),
      stepsOf: (target, known) => stepsOf(new Map(Object.entries(known)), target),
      resultOf: recordable,
      errorOf: (error) => errorOf(error, redact),
    })
    // Told to stop before it began: works listen for the signal from then on.
    controller.signal.throwIfAborted()
    return redact.json((await work.run(input.data, { ...common, targets })) ?? null)
  }

  /** The outcome as the decider is told it; undefined where another one holds the operation now. */
  const outcomeOf = (settled: Settled | undefined): AttemptCommand | undefined => {
    const now = clock.now()
    switch (why) {
      case 'lease-lost':
        return undefined
      case 'timed-out':
        return { type: 'TimeOutAttempt' }
    }
    if (settled?.ok) return { type: 'SucceedAttempt', result: settled.result }
    switch (why) {
      case 'cancelled':
        return { type: 'ConfirmCancelled' }
      case 'shutdown':
        return { type: 'HandBackAttempt', now }
      case undefined:
        return { type: 'FailAttempt', error: errorOf(settled?.error, redact), now, retryAfterMs: retryAfterMsOf(settled?.error) }
    }
  }

  const run = async (): Promise<OperationDecisionState | undefined> => {
    const cancelTimeout = clock.after(request.policy.timeoutMs, () => abort('timed-out'))
    const settling = perform().then(
      (result): Settled => ({ ok: true, result }),
      (error: unknown): Settled => ({ ok: false, error }),
    )
    const settled = await Promise.race([settling, abandoned])
    stopsWorking()
    cancelTimeout()
    const lastReport = progress.stop()
    await queue
    const outcome = isLive() ? outcomeOf(settled) : undefined
    isOver = true
    await shown.end()
    if (settled === undefined) {
      logger.warn({ operationId, attempt, kind: work.kind, why }, 'the work ignored its abort signal and was abandoned')
      await output.write(`\n[attempt ${attempt} did not stop when it was told to (${why}) and was left to itself]\n`, 'stderr')
    } else if (!settled.ok && outcome?.type === 'FailAttempt' && outcome.error.type === crashed)
      logger.error({ stack: redact.text(stackOf(settled.error)), operationId, attempt, kind: work.kind }, 'the work crashed')
    if (outcome === undefined) {
      output.discard()
      logger.warn({ operationId, attempt, worker }, 'the attempt belongs to another worker now; its outcome is dropped')
      return undefined
    }
    await output.close()
    const reported = lastReport === null ? {} : { progress: shownReport(lastReport) }
    const recorded = await recordOutcome({ ...outcome, ...reported })
    if (recorded?.refused) logger.info({ operationId, attempt, refused: recorded.refused }, 'the outcome came too late')
    return recorded?.state
  }

  /** An outcome that the log cannot take (too large, no JSON) fails the attempt: a result for good, because the next one would be the same. */
  const recordOutcome = async (outcome: AttemptCommand): Promise<Recorded | undefined> => {
    try {
      return await record(outcome)
    } catch (error) {
      if (!(error instanceof Unacceptable)) throw error
      if (outcome.type === 'FailAttempt') {
        const { details: _details, ...smaller } = outcome.error
        return await record({ ...outcome, error: smaller })
      }
      if (outcome.type !== 'SucceedAttempt') throw error
      const refused = { type: 'result-unacceptable', message: messageOf(error), retryable: false }
      return await record({ type: 'FailAttempt', error: refused, now: clock.now() })
    }
  }

  const ended = run().catch((error: unknown) => {
    stopsWorking()
    logger.error({ err: error, operationId, attempt }, 'the outcome could not be recorded')
    return undefined
  })

  return {
    operationId,
    kind: work.kind,
    attempt,
    worker,
    mayRepeat: request.policy.whenLost === 'retry',
    abort,
    worked,
    ended,
  }
}

const crashed = 'work-crashed'

/** No attempt waits for longer than a year. */
const longestRetryAfterMs = 365 * 24 * 3_600_000

const retryAfterMsOf = (error: unknown): number | undefined =>
  error instanceof WorkFailed && error.retryAfterMs !== undefined
    ? Math.min(Math.max(error.retryAfterMs, 0), longestRetryAfterMs)
    : undefined

const notOpened = (error: unknown): never => {
  if (error instanceof SecretForgotten) throw new WorkFailed('secret-forgotten', error.message, { retryable: false })
  throw new WorkFailed('secrets-unreadable', messageOf(error), { retryable: true })
}

const stackOf = (error: unknown): string => (error instanceof Error && error.stack) || messageOf(error)

/** Whether another attempt would help against an unforeseen exception cannot be known: it gets one. */
const errorOf = (error: unknown, redact: Redaction): OperationError =>
  error instanceof WorkFailed
    ? {
        type: redact.text(error.type).slice(0, longestType),
        message: redact.text(error.message).slice(0, longestMessage),
        retryable: error.retryable,
        ...(error.details === undefined ? {} : { details: redact.json(error.details) as never }),
      }
    : { type: crashed, message: redact.text(messageOf(error)).slice(0, longestMessage), retryable: true }
