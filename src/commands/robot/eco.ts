import { parseInstant } from '../../lib/clock.ts'
import { md5 } from '../../lib/ids.ts'
import { isObject, type JsonObject } from '../../lib/json.ts'

/** What is known of a failed attempt: the members of ZeroRobot's API and seven of its later clients. Source: robot contract, section 6.5. */
export interface Eco {
  readonly appname: string
  readonly epoch: number
  readonly errormessage: string
  readonly errormessagePub: string
  readonly type: string
  readonly state: string
  readonly data: JsonObject
  readonly jid: number
  readonly masterjid: number
  readonly category: string
  readonly level: number
  readonly funcname: string
  readonly funcfilename: string
  readonly funclinenr: number
  readonly code: string
  readonly exceptionclassname: string
  readonly _limit: number
  readonly _traceback: string
  readonly uniquekey: string
  readonly lasttime: number
  readonly closetime: number
  readonly occurrences: number
  readonly guid: string
  readonly tags: string
  readonly pid: number
  readonly cat: string
  readonly count: number
  readonly message: string
  readonly message_pub: string
  readonly trace: string
  readonly time_first: number
  readonly time_last: number
}

/** What stands in `error.details` of a failed attempt, beside what it left behind (`LeftBehind`). */
export interface FailureDetails {
  readonly eco: Eco
  /** The program said that nobody is to be told of this failure. */
  readonly expected?: true
}

/** What a program says of its failure. */
export interface ReportedError {
  readonly message?: string | undefined
  readonly public?: string | undefined
  readonly type?: string | undefined
  readonly category?: string | undefined
  readonly level?: number | undefined
  readonly file?: string | undefined
  readonly line?: number | undefined
  readonly code?: string | undefined
  readonly class?: string | undefined
  readonly trace?: string | undefined
  readonly tags?: string | undefined
  readonly data?: JsonObject | undefined
  readonly retry?: boolean | undefined
  readonly expected?: boolean | undefined
}

/** One failed attempt. Times are milliseconds since the epoch. */
export interface Failure {
  readonly guid: string
  readonly action: string
  /** The program's file. */
  readonly file: string
  /** `text` is that of the class. */
  readonly class: string
  readonly text: string
  /** Whether the class is one of the server: then nothing that the program says takes its place. */
  readonly isServers: boolean
  readonly error?: ReportedError | undefined
  /** The last lines of its stderr. */
  readonly stderr?: readonly string[] | undefined
  readonly at: number
  readonly firstAt: number
  /** Failed attempts of the task, this one too. */
  readonly occurrences: number
  readonly pid: number
  readonly exitCode: number | null
  readonly signal: string | null
  readonly isTimedOut: boolean
  readonly attempt: number
}

const appname = 'intendant'
/** Lines of stderr that are kept. */
export const tracebackLines = 30
const types: readonly string[] = ['BUG', 'INPUT', 'MONITORING', 'OPERATIONS', 'PERFORMANCE', 'UNKNOWN']
const levels: readonly number[] = [1, 2, 3, 4]

export const ecoOf = (failure: Failure): Eco => {
  const { action, isServers, error = {}, stderr = [], occurrences, attempt } = failure
  const lastLine = stderr.findLast((line) => line.trim() !== '')
  const errormessage = isServers ? failure.text : error.message || lastLine || failure.text
  const errormessagePub = error.public ?? ''
  const type = error.type !== undefined && types.includes(error.type) ? error.type : 'UNKNOWN'
  const category = error.category ?? ''
  const level = error.level !== undefined && levels.includes(error.level) ? error.level : 1
  const funcfilename = error.file || failure.file
  const trace = error.trace ?? stderr.join('\n')
  const [epoch, first] = [seconds(failure.at), seconds(failure.firstAt)]
  return {
    appname,
    epoch,
    errormessage,
    errormessagePub,
    type,
    state: 'NEW',
    data: {
      ...{ exit_code: failure.exitCode, signal: failure.signal, timed_out: failure.isTimedOut, attempt },
      ...error.data,
    },
    jid: 0,
    masterjid: 0,
    category,
    level,
    funcname: action,
    funcfilename,
    funclinenr: error.line ?? 0,
    code: error.code ?? '',
    exceptionclassname: isServers ? failure.class : error.class || failure.class,
    _limit: tracebackLines,
    _traceback: trace,
    uniquekey: md5([category || errormessage, level, action, funcfilename, appname, type].join('_')),
    lasttime: epoch,
    closetime: 0,
    occurrences,
    guid: failure.guid,
    tags: error.tags ?? '',
    pid: failure.pid,
    ...{ cat: category, count: occurrences, message: errormessage, message_pub: errormessagePub, trace },
    time_first: first,
    time_last: epoch,
  }
}

const seconds = (ms: number): number => Math.trunc(ms / 1000)

/** Ends of an attempt whose work has told nothing. */
type UntoldEnd = 'OperationCancelled' | 'OperationFailed' | 'OperationAttemptFailed' | 'OperationTimedOut'

/** The eco that an event has, or the one that is made of an end without a report. */
export const ecoOfEvent = (
  {
    id,
    type,
    data,
    recordedAt,
  }: { readonly id: string; readonly type: string; readonly data: JsonObject; readonly recordedAt: string },
  { action, attempts, file = '' }: { readonly action: string; readonly attempts: number; readonly file?: string },
): Eco => {
  const hasFailed = type !== 'OperationCancelled' && type !== 'OperationTimedOut'
  const error = hasFailed && isObject(data.error) ? data.error : {}
  if (isObject(error.details) && isObject(error.details.eco)) return error.details.eco as unknown as Eco
  const at = parseInstant(recordedAt)
  const occurrences = Math.max(attempts, 1)
  return ecoOf({
    ...{ guid: id, action, file, at, firstAt: at, occurrences, attempt: occurrences, pid: 0, exitCode: null, signal: null },
    ...classOf(type as UntoldEnd, error),
    isServers: true,
    isTimedOut: type === 'OperationTimedOut',
  })
}

const classOf = (type: UntoldEnd, error: Record<string, unknown>): Pick<Failure, 'class' | 'text'> => {
  switch (type) {
    case 'OperationCancelled':
      return { class: 'TaskCanceled', text: classTexts.TaskCanceled }
    case 'OperationTimedOut':
      return { class: 'TimeoutError', text: classTexts.TimeoutError }
    default:
      return interruptions.includes(String(error.type))
        ? { class: 'InterruptedError', text: classTexts.InterruptedError }
        : { class: String(error.type), text: String(error.message) }
  }
}

/** What the engine calls an attempt that was lost, or handed back. */
const interruptions: readonly string[] = ['worker-lost', 'worker-stopped']

/** Texts of the server's own classes. Source: robot contract, section 6.5. */
export const classTexts = {
  TimeoutError: 'Function call timed out',
  TaskCanceled: 'task canceled',
  InterruptedError: 'interrupted by a restart of the server',
  BadReplyError: 'reply is not one JSON object',
} as const
