import type { Health, HealthState } from './http/ports.ts'
import { messageOf } from './lib/errors.ts'
import type { Projections } from './projections/projection.ts'
import type { EventLog } from './stores/event-log.ts'

export interface ProcessHealth extends Health {
  started(): void
  draining(): void
}

/** How this process is: where it is in its life, and what its parts say when they are asked. */
export const createHealth = ({
  log,
  projections,
}: {
  readonly log: EventLog
  readonly projections: Projections
}): ProcessHealth => {
  let state: HealthState = 'starting'

  const answers = async (ask: () => Promise<string>): Promise<string> => {
    try {
      return await ask()
    } catch (error) {
      return messageOf(error)
    }
  }

  const views = async (): Promise<string> => {
    const faulted = (await projections.status()).filter((view) => view.state === 'faulted')
    if (faulted.length === 0) return 'ok'
    return faulted.map(({ name, fault }) => `${name} is faulted at ${fault?.position}: ${fault?.message}`).join('; ')
  }

  return {
    state: () => state,
    checks: async () => {
      const [logCheck, viewsCheck] = await Promise.all([
        answers(async () => {
          await log.head()
          return 'ok'
        }),
        answers(views),
      ])
      return { log: logCheck, projections: viewsCheck }
    },
    started: () => {
      if (state === 'starting') state = 'ready'
    },
    draining: () => {
      state = 'draining'
    },
  }
}
