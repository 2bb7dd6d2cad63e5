import type { Logger } from 'pino'
import type { Leadership } from '../stores/leadership.ts'
import type { Service } from './face-module.ts'
import type { Part } from './lifecycle.ts'

/** The services of one face on this node. */
export interface Services {
  /** Resolves when those of each node run; those of one node at a time begin when this one holds their office. */
  start(): Promise<void>
  /** To be closed before the views. */
  readonly parts: readonly Part[]
}

/** Runs the services of a face: some on each node, others on one at a time (office `<face>-<service>`). */
export const createServices = ({
  face,
  services,
  leadership,
  logger,
}: {
  readonly face: string
  readonly services: readonly Service[]
  readonly leadership: Leadership
  readonly logger: Logger
}): Services => {
  const running = services.map((service) => ({
    name: `${face} ${service.name}`,
    ...(service.where === 'each' ? service : ofOneNode({ face, service, leadership, logger })),
  }))
  return {
    start: async () => {
      for (const { start } of running) await start()
    },
    parts: running.map(({ name, stop }) => ({ name, close: stop })),
  }
}

const ofOneNode = ({
  face,
  service,
  leadership,
  logger,
}: {
  readonly face: string
  readonly service: Service
  readonly leadership: Leadership
  readonly logger: Logger
}): Pick<Service, 'start' | 'stop'> => {
  const office = `${face}-${service.name}`
  const leaving = new AbortController()
  let campaign: Promise<void> = Promise.resolve()

  const lead = async (signal: AbortSignal): Promise<void> => {
    const { promise: over, resolve } = Promise.withResolvers<void>()
    if (signal.aborted) return
    signal.addEventListener('abort', () => resolve(), { once: true })
    try {
      await service.start()
      await over
    } finally {
      await service.stop()
    }
  }

  return {
    start: async () => {
      campaign = leadership
        .campaign({ office, signal: leaving.signal, lead })
        .catch((error: unknown) => logger.error({ err: error, office }, 'a service failed'))
    },
    stop: () => {
      leaving.abort()
      return campaign
    },
  }
}
