import type { Logger } from 'pino'
import { type Job, type JobBus, ownQueue, queueOf } from '../../bus/job-bus.ts'
import type { Executor } from '../../commands/execute.ts'
import type { Kinds } from '../../commands/kind.ts'
import { operation } from '../../commands/operation.ts'
import { operationOf } from '../../events/operation.ts'
import type { Clock } from '../../lib/clock.ts'
import { createRecent } from '../../lib/recent.ts'
import type { EventLog } from '../../stores/event-log.ts'
import type { Leases } from '../../stores/leases.ts'
import type { Secrets } from '../../stores/secrets.ts'
import type { Work } from '../work.ts'
import { type AttemptPorts, type Claim, type RunningAttempt, runAttempt } from './attempt.ts'
import { type Claims, createClaims } from './claims.ts'
import { createKindRoom } from './kind-room.ts'
import { createSlots, type Release } from './slots.ts'
import { createWorkerLease } from './worker-lease.ts'

export interface RuntimeOptions {
  /** Beginning of the worker's name; each life and each lease adds its own end. */
  readonly name: string
  readonly host: string
  readonly log: EventLog
  readonly bus: JobBus
  readonly executor: Executor
  readonly leases: Leases
  readonly kinds: Kinds<Work>
  readonly secrets: Secrets
  readonly clock: Clock
  readonly logger: Logger
  /** Attempts at a time, those of kinds with a scheduler of their own not counted. Default 32. */
  readonly concurrency?: number
  /** How long a silent worker is believed to live. Default 8000. */
  readonly leaseMs?: number
  /** How long work may take to stop after its signal, before it is left to itself. Default 5000. */
  readonly abandonMs?: number
  /**
   * Whether to hear requests from the log as well, so that a claim needs no read: for a process where nothing was submitted. (A read was a
   * third of what a worker on EventStoreDB took of its processor.)
   */
  readonly hearsRequests?: boolean
}

export interface Runtime {
  /** Resolves when the lease is held and jobs are taken. */
  start(): Promise<void>
  /**
   * Takes no new jobs; running work may finish in the first quarter of `graceMs`, then what may be repeated is stopped and
   * handed back, and near the end everything else. Resolves when all outcomes are recorded, or at the end of the grace.
   */
  stop(graceMs: number): Promise<void>
  running(): readonly Pick<RunningAttempt, 'operationId' | 'kind' | 'attempt' | 'worker'>[]
  /** Whether its lease is held: without one it starts nothing, and what it ran is believed lost. */
  holdsLease(): boolean
}

const defaultConcurrency = 32
const defaultLeaseMs = 8_000
const restartMs = 1_000
/** Jobs that schedulers have not answered yet; the supervisor rings again for one that was forgotten. */
const mostAdmitted = 1_000
/** Between hearing of an operation that another worker can run and ringing for it again. */
const passOnMs = 100

interface Running {
  readonly attempt: RunningAttempt
  /** Resolves when the outcome is recorded and the lane released. */
  readonly done: Promise<void>
  /** A job came while it was running: the next attempt's job can arrive before this attempt has ended here. */
  again: Job | undefined
}

/** Takes jobs, claims them in the log and runs the work under one lease. Source: DESIGN, section 2. */
export const createRuntime = (options: RuntimeOptions): Runtime => {
  const { log, bus, executor, kinds, clock, logger, concurrency = defaultConcurrency } = options
  const running = new Map<string, Running>()
  /** Operations between job and start; a cancellation can arrive before the answer to the claim. */
  const claiming = new Map<string, { isCancelled: boolean }>()
  /** Jobs of operations that their limits let start, until their scheduler starts them. */
  const admitted = createRecent<Job>(mostAdmitted)
  const slots = createSlots(concurrency)
  const stopping = new AbortController()
  /** What becomes of attempts during a shutdown. */
  let stopOne: ((attempt: RunningAttempt) => void) | undefined
  let consuming: Promise<void> = Promise.resolve()
  const room = createKindRoom()
  const queues = [...new Set([...kinds.all.map(({ kind }) => queueOf(kind)), ...(kinds.mayCome ? [ownQueue] : [])])]

  const lease = createWorkerLease({
    ...options,
    kinds: () => kinds.all.map(({ kind }) => kind),
    leaseMs: options.leaseMs ?? defaultLeaseMs,
    onLapse: (worker) => {
      for (const { attempt } of running.values()) if (attempt.worker === worker) attempt.abort('lease-lost')
    },
  })
  const claims: Claims = createClaims({
    ...options,
    worker: lease.worker,
    takes: (kind) => kinds.get(kind) !== undefined,
    isLive: lease.isLive,
  })

  const ports: AttemptPorts = { ...options, isLive: lease.isLive }

  /** Claims and runs; resolves when the attempt has begun, to undefined where it was not to be. */
  const begin = async (operationId: string, job?: Job): Promise<RunningAttempt | undefined> => {
    const mark = { isCancelled: false }
    claiming.set(operationId, mark)
    try {
      const claim = await claims.claim(operationId, job)
      const work = claim && kinds.get(claim.live.request.kind)
      if (claim === undefined || work === undefined) return undefined
      const attempt = runAttempt(work, claim, ports)
      running.set(operationId, { attempt, done: finish(claim, attempt), again: undefined })
      if (mark.isCancelled) attempt.abort('cancelled')
      // A claim that was on its way when the others were told to stop.
      stopOne?.(attempt)
      return attempt
    } finally {
      claiming.delete(operationId)
    }
  }

  const finish = async (claim: Claim, attempt: RunningAttempt): Promise<void> => {
    const state = await attempt.ended
    const isFinished = state !== undefined && !('request' in state)
    if (isFinished) await claims.releaseLane(claim)
    const again = running.get(claim.operationId)?.again
    running.delete(claim.operationId)
    if (again !== undefined && !isFinished && !stopping.signal.aborted) await bus.publish([again]).catch(() => undefined)
  }

  const isTaken = (operationId: string): boolean => running.has(operationId) || claiming.has(operationId)

  const handle = async (job: Job): Promise<void> => {
    const { operationId, kind, priority } = job
    const work = kinds.get(kind)
    if (work?.scheduler !== undefined) {
      if (job.admitted !== undefined) admitted.set(operationId, job)
      admitted.age()
      return work.scheduler.wake(operationId)
    }
    const current = running.get(operationId)
    if (current !== undefined) current.again = job
    if (work === undefined) return passOn(job)
    if (isTaken(operationId)) return
    const leave = room.take(job, work.concurrency, handle)
    if (leave === undefined) return
    const slot = await slots.take(priority)
    const release: Release = () => {
      slot?.()
      leave()
    }
    if (slot === undefined) return release()
    let attempt: RunningAttempt | undefined
    try {
      if (!isTaken(operationId)) attempt = await begin(operationId, job)
    } catch (error) {
      logger.error({ err: error, operationId }, 'the operation could not be claimed')
    } finally {
      if (attempt === undefined) release()
      // Free the slot when the work stops, not when its outcome is recorded; otherwise slots idle during the flush.
      else void attempt.worked.then(release)
    }
  }

  /** A kind of one's own that another worker has and this one has not: queues are shared by all that take such kinds. */
  const passOn = (job: Job): void => {
    const others = options.leases.live(clock.monotonic()).filter(({ worker }) => worker !== lease.worker())
    if (!kinds.mayCome || !others.some((other) => other.kinds.includes(job.kind))) return
    clock.after(passOnMs, () => {
      if (!stopping.signal.aborted) bus.publish([job]).catch(() => undefined)
    })
  }

  /** For kinds with a scheduler: they say themselves what starts when, and are bounded by themselves. */
  const startScheduled = async (operationId: string): Promise<boolean> => {
    if (stopping.signal.aborted || isTaken(operationId)) return false
    const job = admitted.get(operationId)
    const begun = await begin(operationId, job)
    if (begun !== undefined) admitted.delete(operationId)
    return begun !== undefined
  }

  const followLog = async (after: string): Promise<void> => {
    let seen = after
    while (!stopping.signal.aborted) {
      try {
        const typePrefixes = ['OperationCancelRequested', ...(options.hearsRequests ? ['OperationRequested'] : [])]
        const filter = { typePrefixes }
        for await (const item of log.subscribe({ after: seen, filter, signal: following.signal, withoutCheckpoints: true })) {
          if (item.kind !== 'event') continue
          seen = item.event.position
          if (item.event.type === 'OperationRequested') {
            const { kind, lane } = item.event.data
            // A lane is acquired before the start: not for what may have ended meanwhile.
            if (lane === null && kinds.get(String(kind)) !== undefined) executor.learn(operation, item.event)
            continue
          }
          const operationId = operationOf(item.event)
          const mark = claiming.get(operationId)
          if (mark !== undefined) mark.isCancelled = true
          running.get(operationId)?.attempt.abort('cancelled')
        }
      } catch (error) {
        if (following.signal.aborted) return
        logger.error({ err: error }, 'following cancellations failed; trying again')
        await clock.sleep(restartMs)
      }
    }
  }
  /** Goes on while running work ends: it may be cancelled until then. */
  const following = new AbortController()

  /** Whether everything that runs, or is about to, has ended within `ms`. */
  const allEnded = async (ms: number): Promise<boolean> => {
    const { promise: late, resolve } = Promise.withResolvers<false>()
    const cancel = clock.after(ms, () => resolve(false))
    const ended = (async (): Promise<true> => {
      await consuming
      while (running.size > 0) await Promise.all(running.values().map(({ done }) => done))
      return true
    })()
    const all = await Promise.race([ended, late])
    cancel()
    return all
  }

  return {
    start: async () => {
      await lease.start()
      kinds.onChange(() => {
        if (!stopping.signal.aborted) lease.announce()
      })
      void followLog(await log.head())
      for (const work of kinds.all) work.scheduler?.attach(startScheduled, lease.worker)
      // Their schedulers answer at once, so they need not wait until a slot is free.
      const beside = kinds.all.flatMap(({ kind, scheduler }) => (scheduler === undefined ? [] : [queueOf(kind)]))
      consuming = bus.consume({ kinds: queues, beside, concurrency, signal: stopping.signal }, handle)
    },
    stop: async (graceMs) => {
      stopping.abort()
      slots.close()
      const quarter = graceMs / 4
      let isDone = await allEnded(quarter)
      if (!isDone) {
        stopRunning((attempt) => attempt.mayRepeat, quarter)
        isDone = await allEnded(quarter)
      }
      if (!isDone) {
        stopRunning(() => true, quarter)
        isDone = await allEnded(2 * quarter)
      }
      if (!isDone) logger.warn({ running: running.size }, 'work was still running after SHUTDOWN_GRACE_MS')
      following.abort()
      await lease.stop()
    },
    holdsLease: () => lease.isLive(lease.worker()),
    running: () =>
      [...running.values()].map(({ attempt: { operationId, kind, attempt, worker } }) => ({
        operationId,
        kind,
        attempt,
        worker,
      })),
  }

  function stopRunning(which: (attempt: RunningAttempt) => boolean, abandonMs: number): void {
    stopOne = (attempt) => {
      if (which(attempt)) attempt.abort('shutdown', abandonMs)
    }
    for (const { attempt } of running.values()) stopOne(attempt)
  }
}
