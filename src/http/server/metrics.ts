import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { EventHub } from '../events/event-hub.ts'
import type { HttpPorts } from '../faces/http-ports.ts'

/** Counts one answer of a route. */
export type Meter = (method: string, status: number, seconds: number) => void

/** What the server counts, and the text that Prometheus reads. */
export interface Metrics {
  /** For the answers of one route. `route` is a pattern, never a path, so that the number of series stays small. */
  meter(face: string, route: string): Meter
  text(): Promise<{ readonly type: string; readonly body: string }>
  /** Where faces add series of their own. */
  readonly registry: Registry
}

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Registers into the ports' registry, where there is one, else into one of its own with the process's metrics. */
export const createMetrics = ({ ports, hub }: { readonly ports: HttpPorts; readonly hub: EventHub }): Metrics => {
  const { projections, knowledge, log, registry = ownRegistry() } = ports
  const operations = ports.operations(knowledge.present(ports.operations.reads))
  const registers = [registry]
  const durations = new Histogram({
    name: 'intendant_http_request_duration_seconds',
    help: 'Time from the request to the head of its answer',
    labelNames: ['face', 'method', 'route'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
    registers,
  })
  const answers = new Counter({
    name: 'intendant_http_requests_total',
    help: 'Answered requests',
    labelNames: ['face', 'method', 'status'],
    registers,
  })
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
    registry,
    meter: (face, route) => (sent, status, seconds) => {
      // Clients may make up methods; each would be a series of its own.
      const method = knownMethods.has(sent) ? sent : 'other'
      durations.observe({ face, method, route }, seconds)
      answers.inc({ face, method, status })
    },
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
