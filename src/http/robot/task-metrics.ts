import { Gauge, Histogram, type Registry } from 'prom-client'
import { type ActionInput, actionKind } from '../../commands/robot/task.ts'
import { operationOf, operationPrefix } from '../../events/operation.ts'
import { parseInstant } from '../../lib/clock.ts'
import { serviceQueries } from '../../projections/robot/services.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import type { HttpPorts } from '../faces/http-ports.ts'

const view = 'robot-services'

/** A task that this process has seen being requested. */
interface SeenTask {
  readonly service: string
  readonly action: string
  /** Milliseconds since the epoch. */
  readonly startedAt?: number
}

/** The series of this face in `/metrics`; the answer ends them. Source: robot contract, row 22. */
export const addTaskMetrics = (
  registry: Registry,
  { knowledge, projections }: Pick<HttpPorts, 'knowledge' | 'projections'>,
): (() => void) => {
  const services = serviceQueries(knowledge.present([view]).views(view))
  const registers = [registry]
  new Gauge({
    name: 'robot_services_total',
    help: 'Services of the robot',
    registers,
    collect() {
      this.set(services.count())
    },
  })
  new Gauge({
    name: 'robot_tasks_waiting_total',
    help: 'Tasks of a service that wait for their turn',
    labelNames: ['service_guid'],
    registers,
    collect() {
      this.reset()
      for (const { guid, tasks } of services.waiting()) this.set({ service_guid: guid }, tasks)
    },
  })
  const latencies = new Histogram({
    name: 'robot_tasks_latency_ms',
    help: 'Time from the first start of a task to its end, since this process began',
    labelNames: ['action_name', 'template_uid'],
    buckets: [10, 50, 100, 500, 1_000, 5_000, 15_000, 60_000, 300_000, 3_600_000],
    registers,
  })

  const seen = new Map<string, SeenTask>()
  const note = ({ type, data, stream, recordedAt }: RecordedEvent): void => {
    if (!stream.startsWith(operationPrefix)) return
    const id = operationOf({ stream })
    if (type === 'OperationRequested') {
      if (data.kind !== actionKind) return
      const { service, action } = data.input as unknown as ActionInput
      seen.set(id, { service, action })
      return
    }
    const task = seen.size === 0 ? undefined : seen.get(id)
    if (task === undefined) return
    switch (type) {
      case 'OperationStarted':
        seen.set(id, { startedAt: parseInstant(recordedAt), ...task })
        return
      case 'OperationSucceeded':
      case 'OperationFailed':
      case 'OperationCancelled':
      case 'OperationTimedOut': {
        seen.delete(id)
        const template_uid = services.byGuid(task.service)?.templateUid
        if (template_uid === undefined || task.startedAt === undefined) return
        latencies.observe({ action_name: task.action, template_uid }, Math.max(0, parseInstant(recordedAt) - task.startedAt))
      }
    }
  }
  return projections.onApplied((events) => events.forEach(note))
}
