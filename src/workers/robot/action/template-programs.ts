import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { classTexts, type Failure } from '../../../commands/robot/eco.ts'
import { openMembers } from '../../../commands/robot/secret-members.ts'
import type { ServiceMemory } from '../../../commands/robot/service-data.ts'
import type { RobotFaceSettings } from '../../../commands/robot/settings.ts'
import type { BoundTemplate } from '../../../commands/robot/template.ts'
import { parseTemplateReference } from '../../../commands/robot/template-uid.ts'
import { randomHex } from '../../../lib/ids.ts'
import type { JsonObject } from '../../../lib/json.ts'
import { createSlots } from '../../engine/slots.ts'
import { CannotStart } from '../../processes/find-program.ts'
import type { Processes, ProgramEnd } from '../../processes/processes.ts'
import { type WorkContext, WorkFailed } from '../../work.ts'
import type { Checkout, Checkouts } from '../checkouts.ts'
import { makeWorkDirectory } from '../work-directory.ts'
import { createLastLines } from './last-lines.ts'
import { mostReplyBytes, parseReply, type Reply } from './reply.ts'

/** A service as its programs see it; secret members of its data are sealed. */
export interface ProgramService extends BoundTemplate, ServiceMemory {
  readonly guid: string
  readonly name: string
}

/** A program of a template that is to run for a service. Source: robot contract, section 6.2. */
export interface ProgramCall {
  readonly service: ProgramService
  readonly action: string
  /** In clear. */
  readonly args: JsonObject
  /** Default: the file `./actions/<action>`. */
  readonly run?: readonly string[] | undefined
  /** 0: unlimited. */
  readonly timeoutS: number
  readonly task?:
    | {
        readonly guid: string
        /** Unix seconds. */
        readonly created: number
        readonly attempt: number
        readonly tries: number
        readonly priority: number
      }
    | undefined
  readonly hook?: 'validate' | 'update_data' | 'delete' | undefined
}

/** How it went. */
export interface ProgramReport extends Pick<Failure, 'file' | 'pid' | 'exitCode' | 'signal' | 'isTimedOut'> {
  /** Undefined where the program gave none that can be read. */
  readonly reply: Reply | undefined
  readonly failure: Pick<Failure, 'class' | 'text' | 'isServers'> | undefined
  /** The last lines, secrets masked. */
  readonly stderr: readonly string[]
  /** The data that it was given, in clear. */
  readonly data: JsonObject
}

/** Runs programs of templates; so many at a time as the settings say, of all services and kinds together. */
export interface TemplatePrograms {
  /** Rejects with the reason of the signal, and where secrets cannot be opened; all else that goes wrong stands in the report. */
  run(call: ProgramCall, context: WorkContext): Promise<ProgramReport>
}

export const createTemplatePrograms = ({
  settings,
  processes,
  checkouts,
  address,
}: {
  readonly settings: RobotFaceSettings
  readonly processes: Processes
  readonly checkouts: Pick<Checkouts, 'checkout'>
  readonly address: () => string | undefined
}): TemplatePrograms => {
  const slots = createSlots(settings.concurrency)

  const start = async (call: ProgramCall, checkout: Checkout, data: JsonObject, context: WorkContext) => {
    const { service, run = [defaultFile(call)], timeoutS } = call
    const home = await makeWorkDirectory(settings, service.guid)
    const stdout: Buffer[] = []
    const lines = createLastLines()
    const end = await processes.run({
      name: `${context.operationId}-${randomHex(12)}`,
      argv: run.map((word) => (word.startsWith('./') ? join(checkout.directory, word) : word)),
      base: home,
      directory: home,
      environment: environmentOf(call, {
        settings,
        apiUrl: settings.apiUrl ?? address(),
        home,
        templateDirectory: checkout.directory,
      }),
      stdin: JSON.stringify(stdinOf(call, data)),
      signal: context.signal,
      ...(timeoutS === 0 ? {} : { timeoutMs: timeoutS * 1000 }),
      stdout: (stream) => collect(stream, stdout),
      stderr: (stream) => context.pipe(stream, 'stderr', lines.add),
    })
    return { end, reply: parseReply(Buffer.concat(stdout)), stderr: lines.all() }
  }

  return {
    run: async (call, context) => {
      const { service, action } = call
      const data = await openMembers(service.data, context.open)
      const unstarted = { file: fileOf(call), pid: 0, exitCode: null, signal: null, isTimedOut: false, stderr: [], data }
      const notStarted = ({ message }: Error): ProgramReport => ({
        ...unstarted,
        reply: undefined,
        failure: { class: 'SpawnError', text: message, isServers: true },
      })
      const checkout = await checkouts.checkout(service, context).catch((error: unknown) => {
        if (error instanceof WorkFailed) return error
        throw error
      })
      if (checkout instanceof WorkFailed) return notStarted(checkout)
      const release = await slots.take(0, context.signal)
      try {
        context.signal.throwIfAborted()
        const { end, reply, stderr } = await start(call, checkout, data, context)
        const { pid, code: exitCode, signal, isTimedOut } = end
        return { ...unstarted, reply, failure: failureOf(end, reply, action), pid, exitCode, signal, isTimedOut, stderr }
      } catch (error) {
        if (error instanceof CannotStart) return notStarted(error)
        throw error
      } finally {
        release?.()
      }
    },
  }
}

const defaultFile = ({ action }: ProgramCall): string => `./actions/${action}`

/** Source: robot contract, section 6.5, `funcfilename`. */
const fileOf = (call: ProgramCall): string => {
  const run = call.run ?? [defaultFile(call)]
  return run.find((word) => word.startsWith('./'))?.slice(2) ?? run[0] ?? ''
}

const failureOf = (end: ProgramEnd, reply: Reply | undefined, action: string): ProgramReport['failure'] => {
  const servers = (name: string, text: string) => ({ class: name, text, isServers: true })
  if (end.isTimedOut) return servers('TimeoutError', classTexts.TimeoutError)
  if (end.code === 0 && reply === undefined) return servers('BadReplyError', classTexts.BadReplyError)
  if (reply?.badState !== undefined) return servers('BadServiceStateError', `state not supported: ${reply.badState}`)
  if (end.code === 0) return undefined
  return end.signal === null
    ? { class: 'ProcessExitError', text: `action '${action}' exited with code ${end.code}`, isServers: false }
    : { class: 'ProcessSignalError', text: `action '${action}' killed by signal ${end.signal}`, isServers: false }
}

/** TMPDIR is added: a folder of the program alone. */
const environmentOf = (
  { service, action, task }: ProgramCall,
  {
    settings: { timeZone, apiToken },
    apiUrl,
    home,
    templateDirectory,
  }: {
    readonly settings: RobotFaceSettings
    readonly apiUrl: string | undefined
    readonly home: string
    readonly templateDirectory: string
  },
): Readonly<Record<string, string>> => ({
  HOME: home,
  LANG: 'C.UTF-8',
  TZ: timeZone,
  INTENDANT_SERVICE_GUID: service.guid,
  // No variable can hold the character NUL.
  INTENDANT_SERVICE_NAME: service.name.replaceAll('\0', ''),
  INTENDANT_TEMPLATE_UID: service.templateUid,
  INTENDANT_TEMPLATE_DIR: templateDirectory,
  INTENDANT_ACTION: action,
  ...(task === undefined ? {} : { INTENDANT_TASK_GUID: task.guid }),
  INTENDANT_ATTEMPT: String(task?.attempt ?? 1),
  INTENDANT_TRIES: String(task?.tries ?? 1),
  ...(apiUrl === undefined ? {} : { INTENDANT_API_URL: apiUrl }),
  ...(apiToken === undefined ? {} : { INTENDANT_API_TOKEN: apiToken }),
})

const stdinOf = ({ service, action, args, task, hook }: ProgramCall, data: JsonObject) => ({
  action,
  args,
  service: {
    guid: service.guid,
    name: service.name,
    template: service.templateUid,
    version: parseTemplateReference(service.templateUid)?.version ?? '',
  },
  data,
  state: service.state,
  ...(task === undefined ? {} : { task }),
  ...(hook === undefined ? {} : { hook }),
})

/** What is more than a reply may have is read and dropped, and makes it none. */
const collect = async (stream: Readable, chunks: Buffer[]): Promise<void> => {
  let bytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (bytes <= mostReplyBytes) chunks.push(chunk)
    bytes += chunk.length
  }
}
