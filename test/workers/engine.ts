import { type Logger, pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { z } from 'zod'
import { createInProcessBus } from '../../src/bus/in-process.ts'
import type { JobBus } from '../../src/bus/job-bus.ts'
import { type CommandContext, createExecutor } from '../../src/commands/execute.ts'
import { createKinds } from '../../src/commands/kind.ts'
import { operation, operationStream } from '../../src/commands/operation.ts'
import { createSubmit, type SubmitRequest } from '../../src/commands/submit.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import type { JsonValue } from '../../src/lib/json.ts'
import { createProjections } from '../../src/projections/engine/projection-engine.ts'
import type { OperationResource } from '../../src/projections/operations/operation-resource.ts'
import { operationQueries, operations } from '../../src/projections/operations/operations.ts'
import { createLocalLeases } from '../../src/stores/embedded/leases.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import { openSecrets } from '../../src/stores/embedded/secrets.ts'
import type { EventLog, RecordedEvent } from '../../src/stores/event-log.ts'
import type { Leases } from '../../src/stores/leases.ts'
import { createLimitGate } from '../../src/workers/engine/limit-gate.ts'
import { createRelay } from '../../src/workers/engine/relay.ts'
import { createRuntime, type Runtime, type RuntimeOptions } from '../../src/workers/engine/runtime.ts'
import { createSupervisor } from '../../src/workers/engine/supervisor.ts'
import { probe } from '../../src/workers/probe.ts'
import type { Work } from '../../src/workers/work.ts'

const logger: Logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' })

export const context = (more: Partial<CommandContext> = {}): CommandContext => ({
  commandId: newId(),
  correlationId: newId(),
  actor: { principal: 'tester', face: null, address: '127.0.0.1' },
  ...more,
})

/** A work for a test: what the test does not care about is filled in. */
export const work = <Input = unknown>(
  kind: string,
  run: Work<Input>['run'],
  more: Partial<Omit<Work<Input>, 'run' | 'kind'>> & { readonly input: z.ZodType<Input> },
): Work<Input> => ({
  kind,
  face: null,
  description: kind,
  submittable: true,
  policy: { attempts: 3, timeoutMs: 60_000, backoff: { initialMs: 5, factor: 1, maxMs: 5 }, whenLost: 'retry' },
  run,
  ...more,
})

/** A clock of one worker that can be stopped as SIGSTOP stops a process: no timer fires and no sleep ends until `thaw`. */
export const freezableClock = (): Clock & { freeze(): void; thaw(): void } => {
  let held: (() => void)[] | undefined
  const pass = (run: () => void): void => {
    if (held === undefined) run()
    else held.push(run)
  }
  return {
    now: systemClock.now,
    monotonic: systemClock.monotonic,
    after: (ms, run) => {
      let isCancelled = false
      const cancel = systemClock.after(ms, () => pass(() => isCancelled || run()))
      return () => {
        isCancelled = true
        cancel()
      }
    },
    sleep: async (ms, signal) => {
      await systemClock.sleep(ms, signal)
      await new Promise<void>((resolve) => pass(resolve))
    },
    freeze: () => (held ??= []),
    thaw: () => {
      const waiting = held ?? []
      held = undefined
      for (const run of waiting) run()
    },
  }
}

/** A clock whose wall can be set, as an administrator or NTP does it; its timers and its monotonic side go on. */
export const settableClock = (): Clock & { set(byMs: number): void } => {
  let offset = 0
  return { ...systemClock, now: () => systemClock.now() + offset, set: (byMs) => (offset += byMs) }
}

export interface EngineOptions {
  readonly works?: readonly Work[]
  readonly log?: EventLog
  readonly clock?: Clock
  /** Default true: with a runtime, relay and supervisor at work. */
  readonly isStarted?: boolean
  readonly bus?: JobBus
  readonly leases?: Leases
  readonly runtime?: Partial<RuntimeOptions>
  /** Ids of the blobs that there are. */
  readonly blobs?: readonly string[]
}

/** The whole engine without HTTP, on the real log, views and bus. */
export const openEngine = async ({ works = [], isStarted = true, ...options }: EngineOptions = {}) => {
  const { clock = systemClock } = options
  const log = options.log ?? (await openEmbeddedLog({ path: ':memory:', clock }))
  const projections = createProjections({ log, directory: ':memory:', projections: [operations], clock, logger })
  await projections.start()
  const { leases = createLocalLeases() } = options
  const queries = operationQueries({ views: projections.views('operations'), leases, clock })
  const executor = createExecutor({ log, clock })
  const { bus = createInProcessBus() } = options
  const kinds = createKinds([probe(clock) as Work, ...works])
  const secrets = openSecrets({ log, masterKey: Buffer.alloc(32, 7) })
  const gate = createLimitGate({ log, executor, projections, queries, leases, clock, logger })
  const relay = createRelay({ bus, projections, queries, gate, clock, logger })
  const supervisor = createSupervisor({ bus, executor, projections, queries, gate, leases, clock, logger })
  const submit = createSubmit({
    executor,
    kinds,
    secrets,
    blobs: { has: async (id) => options.blobs?.includes(id) === true, using: (work) => work() },
  })
  const runtimes: Runtime[] = []

  const newRuntime = (more: Partial<RuntimeOptions> = {}): Runtime => {
    const runtime = createRuntime({
      name: 'worker',
      host: 'test',
      log,
      bus,
      executor,
      leases,
      kinds,
      secrets,
      clock,
      logger,
      ...options.runtime,
      ...more,
    })
    runtimes.push(runtime)
    return runtime
  }

  const close = async (): Promise<void> => {
    relay.stop()
    await gate.stop()
    await supervisor.stop()
    await Promise.all(runtimes.map((runtime) => runtime.stop(400)))
    await projections.stop()
    if (options.log === undefined) await log.close()
  }
  onTestFinished(close)

  if (isStarted) {
    gate.start()
    await supervisor.sweep()
    await newRuntime().start()
    relay.start()
    supervisor.start()
  }

  /** Resolves as soon as the view shows what is asked for. */
  const until = <Found>(find: () => Found | undefined | false): Promise<Found> =>
    new Promise((resolve) => {
      const end = projections.onApplied(() => look())
      const look = (): void => {
        const found = find()
        if (found === undefined || found === false) return
        end()
        resolve(found as Found)
      }
      look()
    })

  const inState = (id: string, ...states: readonly OperationResource['state'][]): Promise<OperationResource> =>
    until(() => {
      const shown = queries.byId(id)
      return shown !== undefined && states.includes(shown.state) && shown
    })

  return {
    log,
    projections,
    leases,
    queries,
    executor,
    bus,
    kinds,
    secrets,
    relay,
    supervisor,
    submit,
    newRuntime,
    until,
    inState,
    close,
    /** Resolves when the operation has ended. */
    ended: (id: string): Promise<OperationResource> => inState(id, 'succeeded', 'failed', 'cancelled', 'timed-out'),
    /** Submits and gives the operation's id. */
    request: async (kind: string, input: JsonValue = {}, more: Partial<SubmitRequest> = {}): Promise<string> => {
      const submitted = await submit({ kind, input, ...more }, context())
      if (submitted.refused) throw new Error(JSON.stringify(submitted.refused))
      return submitted.operationId
    },
    cancel: (id: string) => executor.execute(operation, { type: 'CancelOperation', id, reason: null }, context()),
    events: async (id: string): Promise<RecordedEvent[]> => {
      const events: RecordedEvent[] = []
      for await (const event of log.readStream(operationStream(id))) events.push(event)
      return events
    },
  }
}
