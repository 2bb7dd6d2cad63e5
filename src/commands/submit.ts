import { z } from 'zod'
import type { OperationRequest, Policy, RequestedTargets } from '../events/operation.ts'
import { instant, isInstant, parseInstant } from '../lib/clock.ts'
import { isObject, type JsonValue } from '../lib/json.ts'
import { valueAt } from '../lib/json-pointer.ts'
import { schemaProblems } from '../lib/schema-problems.ts'
import type { Position } from '../stores/event-log.ts'
import type { Secrets } from '../stores/secrets.ts'
import type { BlobFiles } from './blob-files.ts'
import type { CommandContext, Executor } from './execute.ts'
import type { FaultyKind, Kind, KindFault } from './kind.ts'
import { operation } from './operation.ts'
import { sealInput } from './sealing.ts'
import { faultOfNames } from './targets.ts'

/** A request for an operation. Source: native contract, section 2. */
export interface SubmitRequest {
  readonly kind: string
  readonly input: JsonValue
  /** 1 to 200 characters; operations of one lane run one after the other. */
  readonly lane?: string | null
  /** 0 to 1000, lower first, default 100. */
  readonly priority?: number
  /** RFC 3339; not before this time. */
  readonly runAt?: string | null
  readonly policy?: Partial<Pick<Policy, 'attempts' | 'timeoutMs' | 'lostAttempts'>>
  /** The whole policy in place of the kind's, without the bounds of `policy`; the program alone sets it. */
  readonly wholePolicy?: Policy | undefined
  /** At most 32; keys are 1 to 63 characters of `[A-Za-z0-9._/-]`, values at most 255 characters. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** At most 8 keys of limits. */
  readonly limits?: readonly string[] | undefined
  /** The name of the schedule that asks, and the time that it asks for; the program alone sets them. */
  readonly schedule?: string | undefined
  readonly slot?: string | undefined
  /** What the operation goes over one after the other, for `WorkContext.targets`. Default: what the kind says. */
  readonly targets?: RequestedTargets | undefined
  /** Default: the face of the context's actor. */
  readonly face?: string | null
  /** The name that a face gave the operation. */
  readonly externalRef?: string | null
  /** The operation that this one is a part of. */
  readonly parent?: string | null
  /** The ended operation that this one repeats. */
  readonly retryOf?: string | null
  /** Whose secrets those of the input are. Default: the new operation's own. */
  readonly subject?: string | undefined
}

export interface SubmitOptions {
  /** The program itself asks: kinds that `/v1` may not submit are welcome. */
  readonly internal?: boolean
}

/** `pointer` is a JSON Pointer (RFC 6901) into the request: `/input/sleepMs`. */
export interface InputError {
  readonly pointer: string
  readonly message: string
}

export type SubmitRefusal =
  | { readonly reason: 'unknown-kind'; readonly kind: string }
  | { readonly reason: 'kind-faulty'; readonly kind: string; readonly fault: KindFault }
  | { readonly reason: 'kind-not-submittable'; readonly kind: string }
  | { readonly reason: 'invalid'; readonly errors: readonly InputError[] }

/** `position` is null where the same command had been recorded before. */
export interface Submitted {
  readonly refused?: undefined
  readonly operationId: string
  readonly revision: number
  readonly position: Position | null
}

export type Submit = (
  request: SubmitRequest,
  context: CommandContext,
  options?: SubmitOptions,
) => Promise<Submitted | { readonly refused: SubmitRefusal }>

const longestTimeoutMs = 365 * 24 * 3_600_000
const defaultPriority = 100

/** When an operation may start: one that lies behind, however far, is at once. */
export const RunAt = z.iso.datetime({ offset: true, abort: true }).refine(isInstant, 'a time of the years 0000 to 9999 in UTC')

const mostLabels = 32
const labelKey = /^[A-Za-z0-9._/-]{1,63}$/
const longestLabel = 255
const mostLimits = 8

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const plain = /^[^\u0000-\u001f\u007f]*$/

/** A name that people see: 1 to 200 characters. */
export const PlainName = z
  .string()
  .min(1)
  .max(200)
  .regex(plain, 'no control characters')
  .refine((name) => name.isWellFormed(), 'well-formed text')

const faultOfLabel = (key: string, value: unknown): string | undefined => {
  if (!labelKey.test(key)) return 'a key is 1 to 63 characters of A-Z, a-z, 0-9 and ._/-'
  if (typeof value !== 'string') return 'the value is a text'
  return value.length <= longestLabel && value.isWellFormed()
    ? undefined
    : `at most ${longestLabel} characters of well-formed text`
}

/** A record of Zod would drop the key `__proto__`. Source: native contract, section 13. */
export const Labels = z
  .unknown()
  .transform((given, context): Readonly<Record<string, string>> => {
    const fault = (message: string, path: readonly string[] = []): void =>
      void context.issues.push({ code: 'custom', message, path: [...path], input: given })
    if (!isObject(given)) fault('an object of texts')
    const labels = Object.entries(isObject(given) ? given : {})
    if (labels.length > mostLabels) fault(`at most ${mostLabels} labels`)
    for (const [key, value] of labels.slice(0, mostLabels)) {
      const message = faultOfLabel(key, value)
      if (message !== undefined) fault(message, [key])
    }
    return Object.fromEntries(labels) as Record<string, string>
  })
  .meta({
    type: 'object',
    propertyNames: { pattern: labelKey.source },
    additionalProperties: { type: 'string', maxLength: longestLabel },
    maxProperties: mostLabels,
  })

export const LimitKeys = z
  .array(PlainName)
  .max(mostLimits)
  .refine((keys) => new Set(keys).size === keys.length, 'each key once')

const Conditions = z.object({
  lane: z.string().min(1).max(200).nullish(),
  priority: z.number().int().min(0).max(1000).optional(),
  runAt: RunAt.nullish(),
  labels: Labels.optional(),
  limits: LimitKeys.optional(),
  policy: z
    .strictObject({
      attempts: z.number().int().min(1).max(1000).optional(),
      timeoutMs: z.number().int().min(1).max(longestTimeoutMs).optional(),
      lostAttempts: z.number().int().min(1).max(1000).optional(),
    })
    .optional(),
})

interface SubmitPorts {
  readonly kinds: {
    get(kind: string): Omit<Kind, 'face' | 'description'> | undefined
    readonly faulty?: readonly FaultyKind[]
  }
  readonly secrets: Secrets
  readonly blobs: Pick<BlobFiles, 'has' | 'using'>
}

/** What `OperationRequested` will say, or why it will not; `context.commandId` is the id of the operation. */
export type Prepare = (
  request: SubmitRequest,
  context: Pick<CommandContext, 'commandId' | 'actor'>,
  options?: SubmitOptions,
) => Promise<{ readonly refused: SubmitRefusal } | { readonly refused?: undefined; readonly prepared: OperationRequest }>

/** Secret members of the input are sealed; nothing else is recorded. */
export const createPrepare =
  ({ kinds, secrets, blobs }: Omit<SubmitPorts, 'blobs'> & { readonly blobs: Pick<BlobFiles, 'has'> }): Prepare =>
  async (request, { commandId: id, actor }, { internal = false } = {}) => {
    const kind = kinds.get(request.kind)
    const refused = await refusalOf({ request, kind, faulty: kinds.faulty, internal, blobs })
    if (kind === undefined || refused !== undefined) return { refused: refused ?? unusable(request.kind, kinds.faulty) }
    const { lane, limits } = placeOf(kind, request)
    const targets = targetsOf(request, kind)
    const files = kind.files?.(request.input) ?? []
    const input = kind.complete?.(request.input) ?? request.input
    return {
      prepared: {
        kind: kind.kind,
        face: request.face === undefined ? actor.face : request.face,
        lane,
        priority: request.priority ?? defaultPriority,
        runAt: request.runAt == null ? null : instant(parseInstant(request.runAt)),
        input: (await sealInput(kind.input, input, id, secrets, request.subject)) as never,
        policy: request.wholePolicy ?? { ...kind.policy, ...present(request.policy ?? {}) },
        externalRef: request.externalRef ?? null,
        parent: request.parent ?? null,
        retryOf: request.retryOf ?? null,
        ...(isEmpty(request.labels) ? {} : { labels: request.labels }),
        ...(limits.length === 0 ? {} : { limits: [...limits] }),
        ...present({ schedule: request.schedule, slot: request.slot, targets }),
        ...(files.length === 0 ? {} : { files: [...new Set(files.map(({ blob }) => blob))] }),
      },
    }
  }

/** Requests an operation; its id is the command's id, so that the same command submitted twice is one operation. */
export const createSubmit = ({ executor, ...ports }: SubmitPorts & { readonly executor: Executor }): Submit => {
  const prepare = createPrepare(ports)
  const submit: Submit = async (request, context, options) => {
    const found = await prepare(request, context, options)
    if (found.refused !== undefined) return { refused: found.refused }
    const id = context.commandId
    const outcome = await executor.execute(operation, { type: 'RequestOperation', id, request: found.prepared }, context)
    // The stream is named after the command, so an operation that is already there is this very command, repeated.
    return { operationId: id, revision: outcome.revision, position: outcome.refused ? null : outcome.position }
  }
  return (request, ...rest) =>
    ports.kinds.get(request.kind)?.files === undefined
      ? submit(request, ...rest)
      : ports.blobs.using(() => submit(request, ...rest))
}

/** Why a request is not accepted; undefined where it is. */
export const refusalOf = async ({
  request,
  kind,
  faulty,
  internal,
  blobs,
}: {
  readonly request: SubmitRequest
  readonly kind: Pick<Kind, 'submittable' | 'input' | 'files' | 'targets' | 'place'> | undefined
  /** Kinds that cannot be used as they are. */
  readonly faulty?: readonly FaultyKind[] | undefined
  /** As in `SubmitOptions`. */
  readonly internal: boolean
  readonly blobs: Pick<BlobFiles, 'has'>
}): Promise<SubmitRefusal | undefined> => {
  if (kind === undefined) return unusable(request.kind, faulty)
  if (!kind.submittable && !internal) return { reason: 'kind-not-submittable', kind: request.kind }
  const errors = [
    ...problems(Conditions, request, []),
    ...problems(kind.input, request.input, ['input']),
    ...targetProblems(targetsOf(request, kind), request.input),
  ]
  if (errors.length > 0) return { reason: 'invalid', errors }
  const missing = [...(placeOf(kind, request).missing ?? []), ...(await missingBlobs(kind.files?.(request.input) ?? [], blobs))]
  return missing.length > 0 ? { reason: 'invalid', errors: missing } : undefined
}

const targetsOf = ({ targets }: SubmitRequest, kind: Pick<Kind, 'targets'>): RequestedTargets | undefined =>
  targets ?? (kind.targets && { from: kind.targets.from })

const missingBlobs = async (
  files: ReturnType<NonNullable<Kind['files']>>,
  blobs: Pick<BlobFiles, 'has'>,
): Promise<readonly InputError[]> => {
  const errors: InputError[] = []
  for (const { pointer, blob } of files)
    if (!(await blobs.has(blob))) errors.push({ pointer: `/input${pointer}`, message: `there is no blob ${blob}` })
  return errors
}

/** Why there is nothing to submit to under a name. */
export const unusable = (
  kind: string,
  faulty: readonly FaultyKind[] = [],
): Extract<SubmitRefusal, { readonly reason: 'unknown-kind' | 'kind-faulty' }> => {
  const found = faulty.find((one) => one.kind === kind)
  return found === undefined ? { reason: 'unknown-kind', kind } : { reason: 'kind-faulty', kind, fault: found.fault }
}

/** Where the operation runs: as the request says, else as its kind does. */
const placeOf = (kind: Pick<Kind, 'place'>, { lane, limits = [], input }: SubmitRequest) => {
  const placed = kind.place?.(input, { lane: lane == null, limits: limits.length === 0 })
  return {
    lane: lane ?? placed?.lane ?? null,
    limits: limits.length > 0 ? limits : (placed?.limits ?? []),
    missing: placed?.missing,
  }
}

const isEmpty = (members: object | undefined): boolean => members === undefined || Object.keys(members).length === 0

const mostTargets = 10_000

const targetProblems = (targets: RequestedTargets | undefined, input: JsonValue): InputError[] => {
  if (targets === undefined || 'names' in targets) return []
  const names = valueAt(input, targets.from)
  const fault = faultOfNames(names)
  const { length } = Array.isArray(names) ? names : []
  if (fault === undefined && length > 0 && length <= mostTargets) return []
  return [{ pointer: `/input${targets.from}`, message: `an array of 1 to ${mostTargets} different texts` }]
}

const problems = (schema: z.ZodType, value: unknown, under: readonly string[]): InputError[] => {
  const parsed = schema.safeParse(value)
  return parsed.success ? [] : schemaProblems(parsed.error, under)
}

const present = <Members extends object>(members: Members): { [Name in keyof Members]: NonNullable<Members[Name]> } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never
