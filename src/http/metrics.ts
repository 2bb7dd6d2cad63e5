import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { createAnswerCounts, type Meter } from './answer-counts.ts'
import type { EventHub } from './event-hub.ts'
import type { HttpPorts } from './ports.ts'

/** What the server counts, and the text that Prometheus reads. */
export interface Metrics {
  /** For the answers of one route. `route` is a pattern, never a path, so that the number of series stays small. */
  meter(face: string, route: string): Meter
  text(): Promise<{ readonly type: string; readonly body: string }>
}

/** Registers into the ports' registry, where there is one, else into one of its own with the process's metrics. */
export const createMetrics = ({ ports, hub }: { readonly ports: HttpPorts; readonly hub: EventHub }): Metrics => {
  const { projections, knowledge, log, registry = ownRegistry() } = ports
  const operations = ports.operations(knowledge.present(ports.operations.reads))
  const registers = [registry]
  const followers = new Gauge({ name: 'intendant_event_followers', help: 'Open event streams (SSE)', registers })
  const byState = new Gauge({
    name: 'intendant_operations',
    help: 'Operations by state',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(operations.countByState())) this.set({ state }, count)
    },
  })
  const lag = new Gauge({
    name: 'intendant_projection_lag_events',
    help: 'Events between a view and the head of the log',
    labelNames: ['projection'],
    registers,
  })
  const faulted = new Gauge({
    name: 'intendant_projection_faulted',
    help: '1 where a view stopped at an event that it cannot take',
    labelNames: ['projection'],
    registers,
  })
  const head = new Gauge({ name: 'intendant_log_head', help: 'Position of the newest event, where it is a number', registers })
  return {
    meter: createAnswerCounts(registry),
    text: async () => {
      byState.reset()
      followers.set(hub.size())
      for (const status of await projections.status()) {
        lag.set({ projection: status.name }, status.lag)
        faulted.set({ projection: status.name }, status.state === 'faulted' ? 1 : 0)
      }
      head.set(Number.parseInt(await log.head(), 10))
      return { type: registry.contentType, body: await registry.metrics() }
    },
  }
}

const ownRegistry = (): Registry => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
}
