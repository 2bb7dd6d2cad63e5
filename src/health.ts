import type { Health, HealthState } from './http/faces/http-ports.ts'
import type { Clock } from './lib/clock.ts'
import { messageOf } from './lib/errors.ts'
import type { Projections } from './projections/projection.ts'
import type { EventLog } from './stores/event-log.ts'

export interface ProcessHealth extends Health {
  started(): void
  draining(): void
  /** Asks one more thing from now on, by name: `ask` rejects where something is wrong. */
  watch(name: string, ask: () => Promise<unknown>): void
}

/** Whoever asks how a process is wants to know now. */
const answerWithinMs = 2_000

/** How this process is: where it is in its life, and what its parts say when they are asked. */
export const createHealth = ({
  log,
  projections,
  clock,
  checks = {},
}: {
  readonly log: EventLog
  readonly projections: Projections
  readonly clock: Clock
  /** What else is asked, by name: rejects where something is wrong. */
  readonly checks?: Readonly<Record<string, () => Promise<unknown>>>
}): ProcessHealth => {
  let state: HealthState = 'starting'

  const views = async (): Promise<void> => {
    const faulted = (await projections.status()).filter((view) => view.state === 'faulted')
    if (faulted.length === 0) return
    throw new Error(faulted.map(({ name, fault }) => `${name} is faulted at ${fault?.position}: ${fault?.message}`).join('; '))
  }

  const answerOf = async (ask: () => Promise<unknown>): Promise<string> => {
    const { promise: late, resolve } = Promise.withResolvers<string>()
    const cancel = clock.after(answerWithinMs, () => resolve(`no answer within ${answerWithinMs} ms`))
    const answer = ask().then(() => 'ok', messageOf)
    const first = await Promise.race([answer, late])
    cancel()
    return first
  }

  const all: Record<string, () => Promise<unknown>> = { log: () => log.check?.() ?? log.head(), projections: views, ...checks }

  return {
    state: () => state,
    checks: async () =>
      Object.fromEntries(await Promise.all(Object.entries(all).map(async ([name, ask]) => [name, await answerOf(ask)] as const))),
    started: () => {
      if (state === 'starting') state = 'ready'
    },
    draining: () => {
      state = 'draining'
    },
    watch: (name, ask) => {
      all[name] = ask
    },
  }
}
