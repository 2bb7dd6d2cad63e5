import { isDeepStrictEqual } from 'node:util'
import type { Policy } from '../../events/operation.ts'
import { type ScheduleDefinition, scheduleSubject } from '../../events/schedule.ts'
import { type Clock, instant } from '../../lib/clock.ts'
import { SecretForgotten } from '../../lib/errors.ts'
import { derivedId } from '../../lib/ids.ts'
import type { JsonValue } from '../../lib/json.ts'
import type { Position } from '../../stores/event-log.ts'
import type { Secrets } from '../../stores/secrets.ts'
import type { BlobFiles } from '../blob-files.ts'
import type { CommandContext, ExecuteOptions, Executor } from '../execute.ts'
import type { Forget, SubjectUse } from '../forget-secrets.ts'
import type { FaultyKind, Kind } from '../kind.ts'
import { openInput, sealInput } from '../sealing.ts'
import { refusalOf, type Submit, type SubmitRefusal, type SubmitRequest, type Submitted, unusable } from '../submit.ts'
import { type ScheduleKey, type ScheduleRefusal, type ScheduleState, schedule, scheduleStream } from './schedule.ts'
import { definitionOf, NewSchedule, type ScheduleRequest, type ScheduleWishes } from './schedule-request.ts'

export type ScheduleWriteRefusal =
  | ScheduleRefusal
  | SubmitRefusal
  | { readonly reason: 'version-mismatch'; readonly expected: number; readonly actual: number }
/** `position` is null where nothing had to be recorded. */
export type ScheduleOutcome =
  | { readonly refused?: undefined; readonly position: Position | null }
  | { readonly refused: ScheduleWriteRefusal }

/** A schedule with its definition as it is recorded. */
export interface Firing {
  readonly key: ScheduleKey
  readonly definition: ScheduleDefinition
  /** Default: the lane of the definition. */
  readonly lane?: string | null
  /** Milliseconds since the epoch. */
  readonly slot: number
}

/** Schedules of the native API, and of the faces that keep some for themselves. Source: native contract, section 11. */
export interface Schedules {
  create(key: ScheduleKey, request: ScheduleRequest, context: CommandContext): Promise<ScheduleOutcome>
  /** A definition that is the same already is not recorded again. */
  replace(key: ScheduleKey, request: ScheduleRequest, context: CommandContext, options?: ExecuteOptions): Promise<ScheduleOutcome>
  pause(key: ScheduleKey, context: CommandContext): Promise<ScheduleOutcome>
  /** Slots that came meanwhile are not fired. */
  resume(key: ScheduleKey, context: CommandContext): Promise<ScheduleOutcome>
  /** Its secrets are forgotten, also those of the operations that it has fired. `use` says which events hold them. */
  remove(
    key: ScheduleKey,
    context: CommandContext,
    options?: ExecuteOptions & { readonly use?: SubjectUse | undefined },
  ): Promise<ScheduleOutcome>
  /** Asks for an operation now; its id is the command's. */
  runNow(key: ScheduleKey, context: CommandContext): Promise<Submitted | { readonly refused: ScheduleRefusal | SubmitRefusal }>
  /** Asks for the operation of a slot; its id is the command's. Rejects with `SecretForgotten` where a secret is gone. */
  fire(firing: Firing, context: CommandContext): Promise<Submitted | { readonly refused: SubmitRefusal }>
  /**
   * For faces: sees to it that a schedule of their own is there and is like this. It does not show under `/v1/schedules`, and may be of kinds
   * that `/v1` does not submit. Throws where the wishes are no valid request.
   */
  ensure(wishes: OwnSchedule, context: CommandContext): Promise<ScheduleOutcome>
}

export interface OwnSchedule extends ScheduleWishes {
  readonly owner: string
  readonly name: string
  /** See `ScheduleDefinition`. */
  readonly afterLast?: true
  readonly wholePolicy?: Policy | undefined
}

export const createSchedules = ({
  executor,
  kinds,
  secrets,
  submit,
  forget,
  blobs,
  clock,
}: {
  readonly executor: Executor
  readonly kinds: {
    get(kind: string): Pick<Kind, 'submittable' | 'input' | 'files' | 'targets' | 'place'> | undefined
    readonly faulty?: readonly FaultyKind[]
  }
  readonly secrets: Secrets
  readonly submit: Submit
  readonly forget: Forget
  readonly blobs: Pick<BlobFiles, 'has'>
  readonly clock: Pick<Clock, 'now'>
}): Schedules => {
  const now = (): string => instant(clock.now())

  const load = async (key: ScheduleKey): Promise<{ readonly state: ScheduleState; readonly revision: number }> =>
    executor.load(schedule as never, scheduleStream(key))

  /** The input as it is recorded. Where it is the one before, that one: sealed again, it would look different. */
  const sealed = async (input: JsonValue, kind: Pick<Kind, 'input'>, uid: string, before?: ScheduleDefinition) => {
    if (before !== undefined) {
      const opened = await openInput(kind.input, before.input as JsonValue, uid, secrets).catch((error: unknown) => {
        if (error instanceof SecretForgotten) return undefined
        throw error
      })
      if (opened !== undefined && isDeepStrictEqual(opened.input, input)) return before.input
    }
    return (await sealInput(kind.input, input, uid, secrets, scheduleSubject(uid))) as ScheduleDefinition['input']
  }

  const kindFor = async (
    { owner }: ScheduleKey,
    definition: ScheduleDefinition,
  ): Promise<{ readonly kind: Pick<Kind, 'input'> } | { readonly refused: SubmitRefusal }> => {
    const kind = kinds.get(definition.kind)
    const request = requestOf(definition, definition.input as JsonValue)
    const refused = await refusalOf({ request, kind, faulty: kinds.faulty, internal: owner !== null, blobs })
    return kind === undefined || refused !== undefined ? { refused: refused ?? unusable(definition.kind) } : { kind }
  }

  const create = async (key: ScheduleKey, wanted: ScheduleDefinition, paused: boolean, context: CommandContext) => {
    const found = await kindFor(key, wanted)
    if ('refused' in found) return found
    const uid = context.commandId
    const { state } = await load(key)
    if (state.status === 'live' && state.uid !== uid) return { refused: { reason: 'exists' } } as const
    const definition = { ...wanted, input: await sealed(wanted.input as JsonValue, found.kind, uid) }
    return executor.execute(schedule, { type: 'CreateSchedule', key, uid, definition, paused, from: now() }, context)
  }

  const replace = async (
    key: ScheduleKey,
    wanted: ScheduleDefinition,
    paused: boolean,
    context: CommandContext,
    options?: ExecuteOptions,
  ) => {
    const { state } = await load(key)
    if (state.status === 'absent') return { refused: { reason: 'unknown-schedule' } } as const
    const found = await kindFor(key, wanted)
    if ('refused' in found) return found
    const before = state.definition.kind === wanted.kind ? state.definition : undefined
    const definition = { ...wanted, input: await sealed(wanted.input as JsonValue, found.kind, state.uid, before) }
    return executor.execute(schedule, { type: 'ReplaceSchedule', key, definition, paused, from: now() }, context, options)
  }

  const fire: Schedules['fire'] = async ({ key, definition, lane = definition.lane, slot }, context) => {
    const kind = kinds.get(definition.kind)
    if (kind === undefined) return { refused: unusable(definition.kind, kinds.faulty) }
    const { input, subject } = await openInput(kind.input, definition.input as JsonValue, '', secrets)
    const request = requestOf(definition, input)
    return submit({ ...request, lane, subject, face: key.owner, schedule: key.name, slot: instant(slot) }, context, {
      internal: key.owner !== null,
    })
  }

  return {
    create: (key, request, context) => create(key, definitionOf(request), request.paused, context),
    replace: (key, request, context, options) => replace(key, definitionOf(request), request.paused, context, options),
    pause: (key, context) => executor.execute(schedule, { type: 'PauseSchedule', key }, context),
    resume: (key, context) => executor.execute(schedule, { type: 'ResumeSchedule', key, from: now() }, context),
    remove: async (key, context, { use, ...pin } = {}) => {
      const { state, revision } = await load(key)
      if (state.status === 'absent') return { refused: { reason: 'unknown-schedule' } }
      const expected = pin.pinnedRevision
      if (expected !== undefined && expected !== revision)
        return { refused: { reason: 'version-mismatch', expected, actual: revision } }
      // Forgotten first: where this breaks off, the schedule is still there and can be deleted again.
      await forget(scheduleSubject(state.uid), use, { ...context, commandId: derivedId('forget', context.commandId) })
      return executor.execute(schedule, { type: 'DeleteSchedule', key }, context, pin)
    },
    runNow: async (key, context) => {
      const { state } = await load(key)
      if (state.status === 'absent') return { refused: { reason: 'unknown-schedule' } }
      return fire({ key, definition: state.definition, slot: clock.now() }, context)
    },
    fire,
    ensure: async ({ owner, name, afterLast, wholePolicy, ...wishes }, context) => {
      const { name: _name, ...request } = NewSchedule.parse({ name, ...wishes })
      const key = { owner, name }
      const definition = {
        ...definitionOf(request),
        ...(afterLast === undefined ? {} : { afterLast }),
        ...(wholePolicy === undefined ? {} : { wholePolicy }),
      }
      const made = await create(key, definition, request.paused, context)
      if (made.refused?.reason !== 'exists') return made
      return replace(key, definition, request.paused, { ...context, commandId: derivedId('replace', context.commandId) })
    },
  }
}

/** The request for an operation of the schedule, as somebody would submit it. */
const requestOf = (
  { kind, lane, priority, policy, wholePolicy, labels, limits }: ScheduleDefinition,
  input: JsonValue,
): SubmitRequest => ({
  kind,
  input,
  lane,
  priority,
  policy: policy as NonNullable<SubmitRequest['policy']>,
  wholePolicy,
  labels,
  limits,
})
