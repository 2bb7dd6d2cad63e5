import { memoryLoad, type ProcessorLoad, processorLoad } from '../../lib/machine-load.ts'
import { serviceQueries } from '../../projections/robot/services.ts'
import type { FaceRoute } from '../faces/face.ts'
import { json } from '../replies/json.ts'
import type { RobotTools } from './tools.ts'

const view = 'robot-services'
const sampleMs = 250

/** `/robot/info` and `/robot/metrics`. What the past cannot know is null there. Source: robot contract, rows 16 and 17. */
export const robotInfoRoutes = ({
  ports,
  isStorageHealthy,
}: Pick<RobotTools, 'ports' | 'isStorageHealthy'>): readonly FaceRoute[] => {
  let sample: Promise<ProcessorLoad> | undefined
  /** Requests at the same time share one. */
  const sampled = (): Promise<ProcessorLoad> => {
    sample ??= processorLoad({ clock: ports.clock, sampleMs }).finally(() => {
      sample = undefined
    })
    return sample
  }

  return [
    {
      method: 'GET',
      path: '/robot/info',
      reads: [],
      handle: async (c) =>
        json({
          repositories: { data: { url: '' }, config: { url: '' } },
          storage_healthy: c.known.asOf === null ? await isStorageHealthy() : null,
        }),
    },
    {
      method: 'GET',
      path: '/robot/metrics',
      reads: [view],
      handle: async (c) => {
        const [cpu, memory] = c.known.asOf === null ? await Promise.all([sampled(), memoryLoad()]) : [null, null]
        return json({ cpu, memory, nr_services: serviceQueries(c.known.views(view)).count() })
      },
    },
  ]
}
