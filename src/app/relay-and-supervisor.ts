import type { Logger } from 'pino'
import type { Leadership } from '../stores/leadership.ts'
import type { LimitGate } from '../workers/engine/limit-gate.ts'
import type { Relay } from '../workers/engine/relay.ts'
import type { Supervisor } from '../workers/engine/supervisor.ts'

/** Relay, supervisor and the gate of limits, which one node has at a time. */
export interface Office {
  /** Stands for it until `leave`. Resolves when this node has looked at everything once; rejects when that first look failed. */
  campaign(): Promise<void>
  /** Leaves it to others at once. Resolves when it is free. */
  leave(): Promise<void>
}

const name = 'relay-and-supervisor'

export const createOffice = ({
  leadership,
  newTerm,
  logger,
}: {
  readonly leadership: Leadership
  /** Made anew for each term. */
  readonly newTerm: () => { readonly gate: LimitGate; readonly relay: Relay; readonly supervisor: Supervisor }
  readonly logger: Logger
}): Office => {
  const leaving = new AbortController()
  let campaigning: Promise<void> = Promise.resolve()

  const lead = async (signal: AbortSignal, swept: (error?: unknown) => void): Promise<void> => {
    const { gate, relay, supervisor } = newTerm()
    const { promise: over, resolve: end } = Promise.withResolvers<void>()
    const stop = (): void => {
      relay.stop()
      end(Promise.all([gate.stop(), supervisor.stop()]).then(() => undefined))
    }
    if (signal.aborted) return
    signal.addEventListener('abort', stop, { once: true })
    gate.start()
    relay.start()
    try {
      await supervisor.sweep()
      swept()
    } catch (error) {
      logger.warn({ err: error }, 'the first sweep failed; the next one repeats it')
      swept(error)
    }
    if (!signal.aborted) supervisor.start()
    await over
  }

  return {
    campaign: () =>
      new Promise((resolve, reject) => {
        const swept = (error?: unknown): void => (error === undefined ? resolve() : reject(error))
        campaigning = leadership.campaign({ office: name, signal: leaving.signal, lead: (signal) => lead(signal, swept) }).then(
          () => resolve(),
          (error: unknown) => {
            logger.error({ err: error, office: name }, 'the campaign for the office failed')
            reject(error)
          },
        )
      }),
    leave: () => {
      leaving.abort()
      return campaigning
    },
  }
}
